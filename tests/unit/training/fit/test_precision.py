from pathlib import Path

import pytest
import torch

from training.fit.precision import choose_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "expected"), [("fp32", None), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_a_named_precision_is_used_on_any_hardware(name: str, expected: torch.dtype | None) -> None:
    assert choose_precision(name, CPU) is expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx512_bf16 avx512_vnni amx_bf16 amx_tile", torch.bfloat16),
        ("fpu avx512_bf16 avx512_vnni", None),
        ("fpu avx2", None),
    ],
)
def test_a_cpu_computes_in_bf16_if_it_multiplies_matrices_in_it(
    flags: str, expected: torch.dtype | None, tmp_path: Path
) -> None:
    # GIVEN a CPU with these instructions
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\nbugs : x\n")
    # WHEN the hardware is asked THEN bf16 needs AMX
    assert choose_precision("auto", CPU, tmp_path / "cpuinfo") is expected


def test_a_system_that_does_not_describe_its_cpu_computes_in_fp32(tmp_path: Path) -> None:
    assert choose_precision("auto", CPU, tmp_path / "cpuinfo") is None
