"""Which encoders can be exported, and how fast they are then: known before a model is trained.

A DistilBERT is exported to this project's own graph, and so is a BERT, which becomes one. Other
kinds are exported as `optimum` does it. Where onnxruntime recognises the attentions, each becomes
one node; other graphs have more nodes and take longer to run.
"""

from transformers import PretrainedConfig

from training.fit.text_model import TextModel

OWN_GRAPH = "distilbert"
# BERTs in all but name, whose attentions onnxruntime recognises.
FUSED = frozenset({OWN_GRAPH, "camembert", "electra", "roberta", "xlm-roberta"})
TRIED = FUSED | {"albert", "deberta-v2", "modernbert", "mpnet"}
MOST_BYTES = 1_900_000_000  # of fp32 weights; protobuf ends at 2 GiB
NOT_FUSED = (
    "the attentions of this kind of encoder are not fused in the bundle, so it answers more slowly "
    "than a RoBERTa of its size; `python -m benchmarks.encoders` measures by how much"
)


def explain_why_not(config: PretrainedConfig, weights_bytes: int) -> str | None:
    """Say why a model cannot be exported; None if it can, as far as is known."""
    kind = config.model_type
    if kind not in TRIED and not _is_listed(kind):
        return f"there is no ONNX export for its kind, {kind}"
    if weights_bytes > MOST_BYTES:
        size, most = (f"{number / 1e9:.1f} GB" for number in (weights_bytes, MOST_BYTES))
        return f"its weights take {size}, and a graph has room for {most}"
    return None


def print_export_note(model: TextModel, base_model: str) -> None:
    """Print what should be known before a model is trained that is hard to export, or slow."""
    kind = model.config.model_type
    weights_bytes = sum(weights.numel() * 4 for weights in model.parameters())
    if reason := explain_why_not(model.config, weights_bytes):
        print(
            f"note: a model that starts from {base_model} cannot be exported: {reason}. It can "
            "teach one that can (--teachers)"
        )
    elif kind not in TRIED:
        print(
            f"note: exports of encoders of the kind {kind} are untested: train, evaluate and "
            "export a few rows first (--max-rows 1000)"
        )
    elif kind not in FUSED:
        print(f"note: {NOT_FUSED}")


def _is_listed(kind: str) -> bool:
    """Tell whether `optimum` lists an export for this kind."""
    # Here, because it takes seconds to import, and most encoders need no look.
    from optimum.exporters.onnx import model_configs  # noqa: F401  # registers the kinds
    from optimum.exporters.tasks import TasksManager

    try:
        tasks = TasksManager.get_supported_tasks_for_model_type(
            kind, "onnx", library_name="transformers"
        )
    except KeyError:
        return False
    return "feature-extraction" in tasks
