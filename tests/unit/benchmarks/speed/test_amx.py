import errno
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.speed.amx import deny_amx, has_amx

on_linux_x86 = pytest.mark.skipif(
    platform.machine() != "x86_64" or sys.platform != "linux", reason="AMX is on x86-64"
)
# Asks for AMX, then for the bits of the CPU state that are permitted, as libraries do; prints the
# error of each.
ASK = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
value = ctypes.c_ulong()
for arguments in (0x1023, 18), (0x1022, ctypes.byref(value)), (0x1021, ctypes.byref(value)):
    ctypes.set_errno(0)
    libc.syscall(158, *arguments)
    print(ctypes.get_errno(), end=" ")
"""
DENY = "from benchmarks.speed.amx import deny_amx; deny_amx()\n"


def run(code: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu amx_bf16 amx_tile amx_int8", True), ("fpu avx512_vnni", False)],
)
def test_the_flags_of_the_cpu_tell_whether_it_has_amx(
    tmp_path: Path, flags: str, expected: bool
) -> None:
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"model name\t: A CPU\nflags\t\t: {flags}\n")
    assert has_amx(cpu) is expected


def test_a_machine_that_lists_no_flags_has_no_amx(tmp_path: Path) -> None:
    assert not has_amx(tmp_path / "missing")


@on_linux_x86
def test_a_process_that_is_denied_amx_cannot_ask_for_it() -> None:
    # GIVEN what the kernel says to a process that asks for AMX
    allowed = run(ASK)
    # WHEN a process that is denied it asks
    denied = run(DENY + ASK)
    # THEN the kernel refuses that, which it did not before, and nothing else
    assert denied[0] == errno.EPERM != allowed[0]
    assert denied[1:] == allowed[1:]


@on_linux_x86
def test_children_are_denied_amx_too() -> None:
    # GIVEN a process that is denied AMX and starts another one, as a pool of workers does
    start = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.stdin.read()])"
    done = subprocess.run(
        [sys.executable, "-c", DENY + start],
        input=ASK,
        check=True,
        capture_output=True,
        text=True,
    )
    # WHEN that one asks for it
    # THEN the kernel refuses
    assert int(done.stdout.split()[0]) == errno.EPERM


def test_on_other_processors_there_is_nothing_to_deny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(OSError, match="only be denied on x86-64"):
        deny_amx()
