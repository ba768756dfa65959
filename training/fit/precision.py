"""The number type of matrix products."""

from pathlib import Path

import torch

TYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
BF16_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}


def choose_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the type to autocast to, or None for plain fp32; ``auto`` asks the hardware."""
    if precision != "auto":
        return TYPES[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float16
    cpu = Path("/proc/cpuinfo")
    has_bf16 = cpu.exists() and BF16_CPU_FLAGS & set(cpu.read_text().split())
    return torch.bfloat16 if has_bf16 else None
