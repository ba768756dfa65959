"""Intel's matrix unit (AMX): whether the CPU has it, and how to do without it.

A process asks the kernel for AMX by ``arch_prctl(ARCH_REQ_XCOMP_PERM)``, see
https://docs.kernel.org/arch/x86/xstate.html. If a seccomp filter refuses that call, libraries
compute as they do on a CPU of the generation before. Child processes inherit the filter.
"""

import ctypes
import errno
import os
import platform
import struct
from pathlib import Path

CPU = Path("/proc/cpuinfo")
FLAG = "amx_int8"

ARCH_PRCTL = 158  # the system call's number on x86-64
ARCH_REQ_XCOMP_PERM = 0x1023

AUDIT_ARCH_X86_64 = 0xC000003E
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
# Berkeley Packet Filter: load a word, jump if it equals, return.
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def has_amx(cpu: Path = CPU) -> bool:
    """Tell whether the CPU has AMX."""
    return cpu.is_file() and FLAG in cpu.read_text().split()


def deny_amx() -> None:
    """Refuse AMX to this process and its children, for good.

    Raises:
        OSError: the kernel has no seccomp filters, or this is no x86-64.
    """
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, "AMX can only be denied on x86-64")
    words = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 0, 5, AUDIT_ARCH_X86_64),
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_EQUAL, 0, 3, ARCH_PRCTL),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_IF_EQUAL, 0, 1, ARCH_REQ_XCOMP_PERM),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    program = _Program(len(words), b"".join(struct.pack("HBBI", *word) for word in words))
    libc = ctypes.CDLL(None, use_errno=True)
    address = ctypes.addressof(program)
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, address, 0, 0),
    ):
        if libc.prctl(*map(ctypes.c_ulong, arguments)):
            code = ctypes.get_errno()
            raise OSError(code, f"AMX cannot be denied: {os.strerror(code)}")
