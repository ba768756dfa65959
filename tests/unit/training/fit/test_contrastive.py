import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.errors import InterruptedRunError
from tests.conftest import HEADLINES
from training.data.examples import UNLABELLED, Example, labels_of
from training.data.read import read
from training.fit import contrastive, text_model
from training.fit.base_model import load_pretrained
from training.fit.contrastive import (
    PairLearner,
    Pairs,
    PairsError,
    compute_loss,
    count_steps,
    fine_tune_on_pairs,
    get_rate,
)
from training.fit.encoder import EncoderClassifier
from training.fit.process_group import Group
from training.fit.settings import Settings
from training.fit.windows import set_overlap
from training.tasks import NEWS

GROUP = Group(0, 1, torch.device("cpu"))
SETTINGS = Settings(data="d", output="o", method="contrastive", precision="fp32")
SEVERAL = Settings(
    data="d",
    output="o",
    task="t",
    text_column="text",
    label_column="labels",
    label_separator=";",
    method="contrastive",
)


def make_rows(labels: list[int]) -> list[Example]:
    return [Example(f"text {number}", label) for number, label in enumerate(labels)]


def make_several(*labels: tuple[int, ...]) -> list[Example]:
    return [Example(str(number), UNLABELLED, labels=each) for number, each in enumerate(labels)]


def draw_all(pairs: Pairs, steps: int = 200) -> set[tuple[int, int, bool]]:
    """Draw so many pairs that every possible one is among them, its lower row first."""
    drawn = [pairs.draw(np.random.default_rng(step), 16) for step in range(steps)]
    return {(min(one, two), max(one, two), same) for part in drawn for one, two, same in part}


def load(base: Path) -> tuple[EncoderClassifier, Tokenizer]:
    model, tokenizer = load_pretrained(str(base), NEWS.labels, pooling="mean")
    assert isinstance(model, EncoderClassifier)
    tokenizer.enable_truncation(32)
    return model, tokenizer


@pytest.fixture(scope="module")
def headlines() -> list[Example]:
    """Eight headlines of each label, no two of one story."""
    rows = {row.group: row for row in read(str(HEADLINES), NEWS).examples}.values()
    return [row for label in range(4) for row in [row for row in rows if row.label == label][:8]]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten steps for any number of rows."""
    monkeypatch.setattr(contrastive, "count_steps", lambda _: 10)


def encode(
    model: EncoderClassifier, tokenizer: Tokenizer, rows: list[Example]
) -> NDArray[np.float32]:
    token_ids = text_model.encode(tokenizer, [row.text for row in rows])
    return text_model.compute_features(model, token_ids, GROUP.device)


def learn(base: Path, rows: list[Example], settings: Settings = SETTINGS) -> EncoderClassifier:
    model, tokenizer = load(base)
    fine_tune_on_pairs(model, tokenizer, rows, settings, GROUP, None)
    return model


def test_texts_of_a_label_come_closer_together_and_others_move_apart(
    mpnet: Path, headlines: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an encoder to which all headlines are much alike, and a rate for its few weights
    monkeypatch.setattr(contrastive, "RATE", 1e-3)
    model, tokenizer = load(mpnet)
    labels = labels_of(headlines)
    same = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    before = encode(model, tokenizer, headlines)
    head = model.classifier.weight.clone()
    # WHEN it learns from their pairs
    assert fine_tune_on_pairs(model, tokenizer, headlines, SETTINGS, GROUP, None) == 80
    # THEN those of a label are closer than others, by more than before
    after = encode(model, tokenizer, headlines)
    cosines = [states @ states.T for states in (before, after)]
    gaps = [each[same].mean() - each[labels[:, None] != labels].mean() for each in cosines]
    assert gaps[1] > gaps[0] + 0.1
    # ... and the head is as it was
    assert torch.equal(model.classifier.weight, head)


@pytest.mark.usefixtures("short")
def test_the_seed_decides_what_is_learnt(mpnet: Path, headlines: list[Example]) -> None:
    # GIVEN what an encoder learns from pairs, whatever was drawn at random before
    first = learn(mpnet, headlines).state_dict()
    torch.rand(7)
    # WHEN another one learns with the same seed, and one with another
    again = learn(mpnet, headlines).state_dict()
    other = learn(mpnet, headlines, SETTINGS.model_copy(update={"seed": 1})).state_dict()
    # THEN only the first two are equal
    encoder = [name for name in first if not name.startswith("classifier")]
    assert all(torch.equal(first[name], again[name]) for name in encoder)
    assert not all(torch.equal(first[name], other[name]) for name in encoder)


@pytest.mark.usefixtures("short")
def test_windows_of_long_texts_are_drawn_anew_in_each_step(mpnet: Path) -> None:
    # GIVEN texts that begin alike, of which only the ends tell the label
    settings = SETTINGS.model_copy(update={"long_texts": "windows"})
    rows = [
        Example(f"{'the same words ' * 20}{number} {end}", label)
        for number in range(6)
        for label, end in enumerate(("shares bank profit", "film star singer"))
    ]
    # WHEN an encoder learns from them, cut or in windows
    read: dict[str, int] = {}
    for each in (SETTINGS, settings):
        model, tokenizer = load(mpnet)
        tokenizer.enable_truncation(16)
        set_overlap(tokenizer, each)
        seen: set[tuple[int, ...]] = set()
        model.base_model.register_forward_pre_hook(
            lambda _module, _arguments, given, seen=seen: seen.update(
                map(tuple, given["input_ids"].tolist())
            ),
            with_kwargs=True,
        )
        fine_tune_on_pairs(model, tokenizer, rows, each, GROUP, None)
        read[each.long_texts] = len(seen)
    # THEN it has read far more of them in windows
    assert read["windows"] > read["cut"] + len(rows)


def test_half_of_the_pairs_are_of_the_same_label_and_half_of_different_ones() -> None:
    # GIVEN rows of 50 labels WHEN pairs are drawn THEN half of them share theirs, as each says
    rows = make_rows([number // 2 for number in range(100)])
    pairs = Pairs.of(rows, 50, SETTINGS).draw(np.random.default_rng(0), 16)
    assert [same for _, _, same in pairs].count(True) == 8
    assert all((rows[one].label == rows[two].label) == same for one, two, same in pairs)
    assert all(one != two for one, two, _ in pairs)


def test_the_only_row_of_a_label_is_compared_with_others() -> None:
    # GIVEN a label with a single row WHEN pairs are drawn THEN it is in those of different labels
    found = draw_all(Pairs.of(make_rows([0, 1, 0]), 2, SETTINGS))
    assert found == {(0, 2, True), (0, 1, False), (1, 2, False)}


def test_texts_that_share_some_of_several_labels_are_no_pair() -> None:
    # GIVEN texts of the same labels, of some in common, of another one, and two of none
    rows = make_several((0, 1), (0, 1), (1, 2), (2,), (), ())
    # WHEN pairs are drawn THEN they share all, or nothing
    found = draw_all(Pairs.of(rows, 3, SEVERAL))
    assert {pair for pair in found if pair[2]} == {(0, 1, True)}
    assert {pair[:2] for pair in found if not pair[2]} == {
        *((0, 3), (1, 3), (0, 4), (0, 5), (1, 4), (1, 5), (2, 4), (2, 5), (3, 4), (3, 5))
    }


@pytest.mark.parametrize(
    ("rows", "labels", "can_teach"),
    [
        (make_rows([0, 0, 1]), 2, True),  # one label has one row only
        (make_rows([0, 1, 2]), 3, False),  # no two rows of a label
        (make_rows([1, 1, 1]), 2, False),  # no two labels
        (make_several((0,), (0,), (1,)), 2, True),
        (make_several((0,), (0,), ()), 2, True),
        (make_several((0,), (0,), (0, 1)), 2, False),  # all have a label in common
        (make_several((0,), (1,), (), ()), 2, False),
    ],
)
def test_rows_teach_if_there_are_pairs_of_both_kinds(
    rows: list[Example], labels: int, can_teach: bool
) -> None:
    settings = SETTINGS if rows[0].labels is None else SEVERAL
    assert Pairs.of(rows, labels, settings).can_teach == can_teach


def test_rows_without_pairs_are_refused(mpnet: Path) -> None:
    # GIVEN a single row of each label WHEN an encoder is to learn from them
    # THEN an error says what is missing
    with pytest.raises(PairsError, match="two rows of the same label"):
        learn(mpnet, make_rows([0, 1, 2, 3]))


@pytest.mark.parametrize("several", [False, True])
def test_balanced_weights_draw_a_rare_label_more_often(several: bool) -> None:
    # GIVEN a label of 1 row in 20
    labels = [int(number % 20 == 0) for number in range(400)]
    rows = make_several(*[(label,) for label in labels]) if several else make_rows(labels)
    base = SEVERAL if several else SETTINGS
    # WHEN rows are drawn without and with balanced weights
    counts = []
    for weights in ("", "balanced"):
        settings = base.model_copy(update={"class_weights": weights})
        pairs = Pairs.of(rows, 2, settings)
        drawn = [pairs.draw(np.random.default_rng(step), 16) for step in range(50)]
        counts.append(np.mean([labels[first] for part in drawn for first, _, _ in part]))
    # THEN it is rare, or about as frequent as the other one
    assert counts[0] < 0.1
    assert 0.4 < counts[1] < 0.6


def test_the_loss_is_the_squared_error_of_the_cosines() -> None:
    # GIVEN two pairs of texts, at 0.6 and at 0.8
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.6, 0.8]])
    # WHEN the first is of the same label THEN it should be at 1, and the other one at 0
    loss = compute_loss(features, torch.tensor([True, False]))
    assert loss.item() == pytest.approx((0.4**2 + 0.8**2) / 2)


@pytest.mark.parametrize(("rows", "steps"), [(4, 60), (32, 80), (100, 250), (1000, 300)])
def test_more_rows_take_more_steps_within_limits(rows: int, steps: int) -> None:
    assert count_steps(rows) == steps


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [get_rate(step, 60) for step in range(60)]
    peak = int(np.argmax(rates))
    assert rates[peak] == contrastive.RATE
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates) > 0


def test_ctrl_c_ends_it_between_two_steps(
    mpnet: Path, headlines: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a run that gets SIGINT in its third step
    take_step, steps = PairLearner.take_step, []

    def interrupted(learner: PairLearner, step: int, rate: float) -> float:
        steps.append(step)
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return take_step(learner, step, rate)

    monkeypatch.setattr(PairLearner, "take_step", interrupted)
    # WHEN it learns THEN it ends after that step, and says what to do
    with pytest.raises(InterruptedRunError, match="give the same command again"):
        learn(mpnet, headlines)
    assert steps == [0, 1, 2]


def test_weights_that_are_no_numbers_are_an_error(mpnet: Path, headlines: list[Example]) -> None:
    # GIVEN an encoder that computes no numbers
    model, tokenizer = load(mpnet)
    with torch.no_grad():
        next(model.base_model.parameters()).fill_(torch.nan)
    # WHEN it learns THEN it is told apart from one that does
    with pytest.raises(PairsError, match=r"diverged at step 1: .* give --precision fp32"):
        fine_tune_on_pairs(model, tokenizer, headlines, SETTINGS, GROUP, None)


def test_gradients_that_are_not_finite_are_an_error_in_the_last_step_too(
    mpnet: Path, headlines: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an encoder with infinite gradients, though its loss is a number, and a single step
    monkeypatch.setattr(contrastive, "count_steps", lambda _: 1)
    model, tokenizer = load(mpnet)
    weights = next(model.base_model.parameters())
    weights.register_hook(lambda gradient: torch.full_like(gradient, torch.inf))
    # WHEN it takes the step THEN its weights, which are lost, are not used
    with pytest.raises(PairsError, match="diverged at step 1"):
        fine_tune_on_pairs(model, tokenizer, headlines, SETTINGS, GROUP, None)
