import pytest

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import HEADLINES, SAMPLE_DATA, SAMPLE_MODEL
from training.data.read import read
from training.data.text_key import normalise
from training.labels.encoder import BundleEncoder
from training.labels.next_texts import Pool, choose_by_labels, choose_by_model, choose_by_variety
from training.tasks import NEWS, custom_task


def allow(text: str) -> str:
    return ""


@pytest.fixture(scope="module")
def headlines() -> list[str]:
    return [example.text for example in read(str(HEADLINES), NEWS).examples]


def test_repeats_and_texts_with_a_label_are_left_out_and_counted() -> None:
    # GIVEN texts of which two are equal but for case, one is labelled, and one cannot be written
    texts = ["Fed holds rates", "FED HOLDS RATES!", "Flu shots", "a\tb"]
    # WHEN they become a pool
    pool = Pool.make(texts, ["flu shots"], lambda text: "tab" if "\t" in text else "")
    # THEN one is left, and every other one is accounted for
    assert pool.texts == ["Fed holds rates"]
    assert pool.describe() == (
        "4 texts = 1 to choose from + 1 repeated + 1 labelled already "
        "+ 1 that the layout of the data cannot hold"
    )


def test_the_model_is_less_sure_of_what_is_chosen_than_of_the_rest(headlines: list[str]) -> None:
    # GIVEN the sample headlines, and the shipped model
    bundle = read_verified(SAMPLE_MODEL)
    pool = Pool.make(headlines, [], allow)
    # WHEN twenty are chosen
    chosen = choose_by_model(pool, 20, bundle)
    # THEN they are different ones, and the model is far less sure of them
    assert len({normalise(text) for text in chosen.texts}) == 20
    classifier = Classifier.load(bundle)
    of_chosen = [one.confidence for one in classifier.predict(chosen.texts)]
    of_all = [one.confidence for one in classifier.predict(pool.texts)]
    assert sum(of_chosen) / 20 < sum(of_all) / len(of_all) - 0.2
    assert bundle.version in chosen.reason


def test_a_model_of_the_labelled_rows_chooses_if_there_is_no_other() -> None:
    # GIVEN some tickets with labels, and a model of something else
    task = custom_task("tickets", "text", "topic", None)
    dataset = read(str(SAMPLE_DATA / "tickets.csv"), task)
    texts = ["Where is my parcel?", "I cannot log in to my account.", "The invoice is wrong."]
    # WHEN texts are chosen
    pool = Pool.make(texts, [example.text for example in dataset.examples], allow)
    chosen = choose_by_labels(pool, 2, dataset, BundleEncoder(read_verified(SAMPLE_MODEL)))
    # THEN they are of the pool, and the reason names the labelled rows
    assert len(set(chosen.texts)) == 2
    assert set(chosen.texts) <= set(texts)
    assert "100 labelled rows" in chosen.reason


def test_rows_with_several_labels_can_choose_too() -> None:
    task = custom_task("messages", "text", "topics", None, label_separator=";")
    dataset = read(str(SAMPLE_DATA / "messages.csv"), task)
    pool = Pool.make(["Where is my parcel?", "The invoice is wrong."], [], allow)
    encoder = BundleEncoder(read_verified(SAMPLE_MODEL))
    assert len(choose_by_labels(pool, 1, dataset, encoder).texts) == 1


def test_without_labels_and_model_texts_of_every_kind_are_chosen() -> None:
    # GIVEN many texts about shares, and one about a vaccine
    texts = [f"Shares fall by {n} per cent on Monday" for n in range(1, 30)]
    pool = Pool.make([*texts, "New vaccine protects children from measles"], [], allow)
    # WHEN two are chosen
    chosen = choose_by_variety(pool, 2, BundleEncoder(read_verified(SAMPLE_MODEL)))
    # THEN the one that differs is among them
    assert "New vaccine protects children from measles" in chosen.texts


def test_a_budget_beyond_the_pool_takes_all() -> None:
    pool = Pool.make(["one text", "another text"], [], allow)
    chosen = choose_by_variety(pool, 9, BundleEncoder(read_verified(SAMPLE_MODEL)))
    assert sorted(chosen.texts) == ["another text", "one text"]
