"""The number type of matrix products."""

from pathlib import Path

import torch

TYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
# avx512_bf16 alone is no faster than fp32, and in training half as fast.
FAST_BF16 = "amx_bf16"
CPU = Path("/proc/cpuinfo")


def choose_precision(precision: str, device: torch.device, cpu: Path = CPU) -> torch.dtype | None:
    """Return the type to autocast to, or None for plain fp32; ``auto`` asks the hardware."""
    if precision != "auto":
        return TYPES[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float16
    is_fast = cpu.is_file() and FAST_BF16 in cpu.read_text().split()
    return torch.bfloat16 if is_fast else None
