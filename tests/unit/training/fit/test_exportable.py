import pytest
from transformers import DistilBertConfig, FNetConfig, MPNetConfig, RobertaConfig
from transformers import DistilBertForSequenceClassification as DistilBert

from training.fit.exportable import MOST_BYTES, explain_why_not, print_export_note

SMALL = {"vocab_size": 9, "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8}


@pytest.mark.parametrize("config", [DistilBertConfig(), MPNetConfig(), RobertaConfig()])
def test_most_encoders_can_be_exported(config: object) -> None:
    assert explain_why_not(config, MOST_BYTES) is None


def test_a_kind_without_an_export_is_named() -> None:
    assert explain_why_not(FNetConfig(), 1) == "there is no ONNX export for its kind, fnet"


def test_a_model_that_no_graph_has_room_for_is_refused() -> None:
    reason = explain_why_not(RobertaConfig(), 2_240_000_000)
    assert reason == "its weights take 2.2 GB, and a graph has room for 1.9 GB"


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        ("distilbert", ""),
        ("mpnet", "note: the attentions of this kind of encoder are not fused"),
        ("roformer", "note: exports of encoders of the kind roformer are untested"),
        ("fnet", "note: a model that starts from base cannot be exported: there is no ONNX export"),
    ],
)
def test_what_an_export_will_be_like_is_said_before_training(
    kind: str, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a model of a kind WHEN the note is printed
    model = DistilBert(DistilBertConfig(**SMALL))
    model.config.model_type = kind
    print_export_note(model, "base")
    # THEN there is one only if there is something to know
    printed = capsys.readouterr().out
    assert printed.startswith(note)
    assert bool(printed) == bool(note)
