import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import MPNetConfig, MPNetModel

from tests.conftest import TinyModel
from tests.tiny_model import build_tokenizer
from training.fit import teacher_answers, text_model
from training.fit.encoder import EncoderClassifier
from training.fit.process_group import Group
from training.fit.teacher_answers import Answers, ask_teacher
from training.fit.trained_model import ANSWERS
from training.tasks import NEWS

TEXTS = [f"headline {number} of {'many ' * (number % 7)}" for number in range(600)]
ALONE = Group(rank=0, size=1, device=torch.device("cpu"))


@pytest.fixture
def teacher(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """A copy of the tiny model that has not been asked anything."""
    folder = tmp_path / "teacher"
    shutil.copytree(tiny_model.folder, folder, ignore=shutil.ignore_patterns(ANSWERS))
    return folder


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each batch has that is scored."""
    batches: list[int] = []
    answer = teacher_answers._answer

    def note(model: Any, inputs: Any, *others: Any) -> Answers:
        batches.append(len(inputs[0]))
        return answer(model, inputs, *others)

    monkeypatch.setattr(teacher_answers, "_answer", note)
    return batches


@pytest.fixture
def saved_by_256(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save answers after each batch."""
    monkeypatch.setattr(teacher_answers, "SAVED_TOGETHER", 256)


def ask(folder: Path, texts: list[str] = TEXTS, **options: bool) -> Answers:
    return ask_teacher(folder, texts, ALONE, None, **options)


def test_answers_are_the_logits_of_the_teacher(teacher: Path) -> None:
    # GIVEN a teacher WHEN it is asked
    answers = ask(teacher)
    # THEN its answers are what the model computes, in the order of the texts
    model, tokenizer = text_model.load(teacher)
    token_ids = text_model.encode(tokenizer, TEXTS)
    expected = text_model.compute_logits(model, token_ids, ALONE.device)
    assert np.array_equal(answers.logits, expected)
    assert answers.states.shape == (600, 0)


def test_nothing_is_scored_twice(teacher: Path, scored: list[int]) -> None:
    # GIVEN answers to 400 texts
    first = ask(teacher, TEXTS[:400])
    assert sum(scored) == 400
    # WHEN others and some of these are asked THEN only the others are scored
    again = ask(teacher, TEXTS[200:])
    assert sum(scored) == 600
    assert np.array_equal(again.logits[:200], first.logits[200:])


def test_a_text_that_is_asked_twice_is_scored_once(teacher: Path, scored: list[int]) -> None:
    answers = ask(teacher, ["one", "two", "one"])
    assert scored == [2]
    assert np.array_equal(answers.logits[0], answers.logits[2])


@pytest.mark.usefixtures("saved_by_256")
def test_an_interrupted_teacher_goes_on_where_it_was(
    teacher: Path, scored: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the answers of a run that was not interrupted
    whole = ask(teacher)
    shutil.rmtree(teacher / ANSWERS)
    scored.clear()
    # WHEN a run is interrupted in its second batch, and started again
    answer = teacher_answers._answer

    def interrupted(*arguments: Any) -> Answers:
        if sum(scored) == 256:
            raise KeyboardInterrupt
        return answer(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(teacher_answers, "_answer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(teacher)
    again = ask(teacher)
    # THEN the first batch is not scored again, and the answers are the same to the last bit
    assert scored == [256, 256, 88]
    assert np.array_equal(again.logits, whole.logits)


def test_states_are_those_that_the_head_reads_at_norm_1(teacher: Path) -> None:
    # GIVEN a teacher WHEN it is asked for its states
    answers = ask(teacher, with_states=True)
    # THEN they are the first hidden states of its last layer, which DistilBERT's head reads
    model, tokenizer = text_model.load(teacher)
    (ids,) = text_model.encode(tokenizer, TEXTS[5:6])
    with torch.no_grad():
        state = model.base_model(torch.tensor([ids])).last_hidden_state[0, 0].numpy()
    assert answers.states[5] == pytest.approx(state / np.linalg.norm(state), abs=1e-3)
    assert np.linalg.norm(answers.states, axis=1) == pytest.approx(1, abs=1e-3)


def test_answers_without_states_are_asked_again_for_them(teacher: Path, scored: list[int]) -> None:
    # GIVEN answers without states
    before = ask(teacher)
    # WHEN the states are wanted THEN the texts are scored again, and afterwards no more
    with_states = ask(teacher, with_states=True)
    assert np.array_equal(with_states.logits, before.logits)
    assert sum(scored) == 1200
    assert ask(teacher, with_states=True).states.shape == (600, 128)
    assert ask(teacher).states.shape == (600, 0)
    assert sum(scored) == 1200


def test_other_weights_or_another_precision_give_other_answers(
    teacher: Path, scored: list[int]
) -> None:
    # GIVEN the answers of a teacher
    before = ask(teacher)
    # WHEN it is asked in another precision
    ask_teacher(teacher, TEXTS, ALONE, torch.bfloat16)
    assert sum(scored) == 1200
    # ... or has other weights THEN it is asked again
    model, tokenizer = text_model.load(teacher)
    torch.nn.init.normal_(model.classifier.weight)
    text_model.save(model, tokenizer, teacher)
    assert not np.allclose(ask(teacher).logits, before.logits)
    assert sum(scored) == 1800


def test_a_damaged_file_is_asked_again(teacher: Path, scored: list[int]) -> None:
    # GIVEN answers whose file lost its end
    before = ask(teacher)
    (file,) = (teacher / ANSWERS).rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    # WHEN the same is asked THEN the answers are the same
    assert np.array_equal(ask(teacher).logits, before.logits)
    assert sum(scored) == 1200


def test_a_folder_that_cannot_be_written_keeps_nothing(
    teacher: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a teacher in a read-only folder (root may write anywhere, so the check is replaced)
    monkeypatch.setattr("os.access", lambda *_: False)
    # WHEN it is asked THEN it answers, and nothing is written
    assert ask(teacher).logits.shape == (600, 4)
    assert not (teacher / ANSWERS).exists()
    assert "teacher answers 600 texts and cannot keep them" in capsys.readouterr().out


def test_several_processes_answer_from_a_folder_that_cannot_be_written(
    teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a teacher in a read-only folder, and one process of two
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr(Group, "barrier", lambda _: None)
    monkeypatch.setattr(Group, "broadcast", lambda _, value: value)
    monkeypatch.setattr(Group, "reduce_any", lambda _, flag: flag)
    group = Group(rank=1, size=2, device=torch.device("cpu"))
    # WHEN it asks THEN it has all answers, though it finds none of the other's
    assert ask_teacher(teacher, TEXTS, group, None).logits.shape == (600, 4)


def test_states_that_are_not_wanted_are_not_kept_in_memory(teacher: Path) -> None:
    # GIVEN saved answers with states WHEN they are read without
    ask(teacher, with_states=True)
    known = teacher_answers._KnownAnswers(teacher, None, with_states=False)
    # THEN nothing refers to the states any more
    assert [part.states.base for part in known._parts] == [None]


def test_asking_leaves_other_devices_alone(teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine with several GPUs, on which saving all random states is slow, and warned of
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    # WHEN a teacher is asked THEN it answers, and draws none of the student's random numbers
    before = torch.get_rng_state()
    assert ask(teacher).logits.shape == (600, 4)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def other_kind(tmp_path: Path) -> Path:
    """A small MPNet with a tokenizer of its own that reads five wordpieces, and mean pooling."""
    folder = tmp_path / "mpnet"
    folder.mkdir()
    tokenizer = build_tokenizer(TEXTS)
    tokenizer.enable_truncation(5)
    config = MPNetConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
    )
    model = EncoderClassifier(MPNetModel(config), NEWS.labels, "mean")
    text_model.save(model, tokenizer, folder)
    return folder


def test_a_teacher_of_another_kind_reads_texts_in_its_own_way(other_kind: Path) -> None:
    # GIVEN a teacher of another architecture, vocabulary, length and pooling
    # WHEN it is asked
    answers = ask(other_kind, with_states=True)
    # THEN its answers are those of its own model and tokenizer
    model, tokenizer = text_model.load(other_kind)
    assert isinstance(model, EncoderClassifier)
    token_ids = text_model.encode(tokenizer, TEXTS)
    assert max(map(len, token_ids)) == 5
    logits = text_model.compute_logits(model, token_ids, ALONE.device)
    assert np.array_equal(answers.logits, logits)
    features = text_model.compute_features(model, token_ids, ALONE.device)
    assert answers.states == pytest.approx(features, abs=1e-3)


def test_the_students_random_numbers_do_not_depend_on_what_is_known(other_kind: Path) -> None:
    # GIVEN a teacher whose weights are drawn at random before they are loaded
    state = torch.get_rng_state()
    text_model.load(other_kind)
    assert not torch.equal(torch.get_rng_state(), state)
    # WHEN it is asked for the first time THEN the random numbers that follow are the same
    state = torch.get_rng_state()
    ask(other_kind)
    assert torch.equal(torch.get_rng_state(), state)


def test_processes_agree_on_what_is_missing_while_another_run_adds_answers(
    teacher: Path, scored: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the second of two processes, which looks before another run saves all answers
    whole = ask(teacher)
    (teacher / ANSWERS).rename(teacher / "of-another-run")
    scored.clear()

    def broadcast(_: Group, __: float) -> float:  # of the first, which looks afterwards
        if not (teacher / ANSWERS).exists():
            (teacher / "of-another-run").rename(teacher / ANSWERS)
        return 0

    monkeypatch.setattr(Group, "barrier", lambda _: None)
    monkeypatch.setattr(Group, "broadcast", broadcast)
    monkeypatch.setattr(Group, "reduce_any", lambda _, flag: flag)
    # WHEN it is asked THEN it looks again, and scores nothing
    answers = ask_teacher(teacher, TEXTS, Group(1, 2, ALONE.device), None)
    assert scored == []
    assert np.array_equal(answers.logits, whole.logits)


def test_the_processes_of_a_group_share_the_work(
    teacher: Path, scored: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the second of two processes, while the first answers its part at the same time
    monkeypatch.setattr(teacher_answers, "SAVED_TOGETHER", 256)
    whole = ask(teacher)
    files = {file: file.read_bytes() for file in (teacher / ANSWERS).rglob("*.safetensors")}
    shutil.rmtree(teacher / ANSWERS)
    scored.clear()
    barriers = []

    def barrier(_: Group) -> None:
        barriers.append(sum(scored))
        for file, content in files.items():  # the others have answered, too
            file.write_bytes(content)

    monkeypatch.setattr(Group, "barrier", barrier)
    monkeypatch.setattr(Group, "broadcast", lambda _, value: value)
    monkeypatch.setattr(Group, "reduce_any", lambda _, flag: flag)
    # WHEN it is asked
    answers = ask_teacher(teacher, TEXTS, Group(1, 2, ALONE.device), None)
    # THEN it scores the second of three parts, and has the answers to all
    assert (scored, barriers) == ([256], [256])
    assert np.array_equal(answers.logits, whole.logits)
