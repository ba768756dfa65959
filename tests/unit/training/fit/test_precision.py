import pytest
import torch

from training.fit.precision import choose_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "expected"), [("fp32", None), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_a_named_precision_is_used_on_any_hardware(name: str, expected: torch.dtype | None) -> None:
    assert choose_precision(name, CPU) is expected


def test_a_cpu_computes_in_bf16_or_fp32() -> None:
    assert choose_precision("auto", CPU) in (None, torch.bfloat16)
