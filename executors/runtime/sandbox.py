"""What a child may not do: read the executor's secrets, write outside its own folders, look into the executor's
memory, signal it, gain privileges.

Standard library only and no import of ours: the warden runs this file before any package is on the path. Sources:
landlock(7), prctl(2), capabilities(7). Without Landlock (older kernels, some containers) the rest still holds, and
:func:`confine` says what is missing.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1
CAPABILITY_VERSION = 0x20080522
ACCESS_WRITE_FILE = 1 << 1
ACCESS_READ_FILE = 1 << 2
ACCESS_REMOVE_DIR, ACCESS_REMOVE_FILE = 1 << 4, 1 << 5
ACCESS_MAKE_CHAR, ACCESS_MAKE_DIR, ACCESS_MAKE_REG, ACCESS_MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
ACCESS_MAKE_FIFO, ACCESS_MAKE_BLOCK, ACCESS_MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
ACCESS_REFER = 1 << 13
ACCESS_TRUNCATE = 1 << 14
ACCESS_CHANGE_FOLDER = (
    *(ACCESS_REMOVE_DIR, ACCESS_REMOVE_FILE, ACCESS_MAKE_DIR, ACCESS_MAKE_REG),
    *(ACCESS_MAKE_SOCK, ACCESS_MAKE_FIFO, ACCESS_MAKE_SYM),
)
# Handled, so refused, and allowed nowhere: a device node of its own would open every disk to a root child.
ACCESS_MAKE_DEVICE = ACCESS_MAKE_CHAR | ACCESS_MAKE_BLOCK
SCOPE_SIGNAL = 1 << 1
ABI_REFER, ABI_TRUNCATE, ABI_SCOPE = 2, 3, 6
# Where any program may write, beside the child's own folders. Of /dev what holds no disk. Not /tmp: others have files
# there that a child of the same user could change, a checkout or a data folder among them; TMPDIR is its own.
COMMON_WRITABLE = ("/proc/self", "/dev/shm", "/dev/pts", "/dev/mqueue")  # noqa: S108
HARMLESS_DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx"))
# A root child keeps what file access needs, not what opens another process or the kernel.
FORBIDDEN_CAPABILITIES = {
    "sys_module": 16,
    "sys_rawio": 17,
    "sys_ptrace": 19,
    "sys_admin": 21,
    "sys_boot": 22,
    "perfmon": 38,
    "bpf": 39,
    "checkpoint_restore": 40,
}

libc = ctypes.CDLL(None, use_errno=True)


class RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("access", ctypes.c_uint64), ("fd", ctypes.c_int32))


def prctl(option: int, value: int) -> None:
    """Call prctl(2); OSError when the kernel refuses."""
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def hide_own_memory() -> None:
    """Close /proc/PID/{environ,mem,fd} of this process to others of the same user."""
    prctl(PR_SET_DUMPABLE, 0)


def show_own_memory() -> None:
    """Undo :func:`hide_own_memory` where no program is executed that would: a child of a run is open to its own."""
    prctl(PR_SET_DUMPABLE, 1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ended, so that none escapes."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent_pid: int, signal_number: int) -> None:
    """Be killed when the parent ends; exits at once when it has ended already."""
    prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent_pid:
        os._exit(137)


def drop_privileges() -> None:
    """No set-uid programs from here on; as root, no capability that opens other processes."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if os.geteuid() != 0:
        return
    for number in FORBIDDEN_CAPABILITIES.values():
        # Fails where a container has taken the right to drop rights; then it has taken these too.
        libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)
    give_up_capabilities(FORBIDDEN_CAPABILITIES.values())


def give_up_capabilities(numbers: Iterable[int]) -> None:
    """Lose these now: what left the bounding set goes only when a program is executed, and a fork executes none."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable of the numbers below 32, then of those above
    checked(libc.capget(header, sets))
    for number in numbers:
        for kind in range(3):
            sets[number // 32 * 3 + kind] &= ~(1 << number % 32) & 0xFFFFFFFF
    checked(libc.capset(header, sets))


def landlock_abi() -> int:
    """Version of Landlock in this kernel, 0 for none."""
    return max(0, int(libc.syscall(SYS_CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)))


def confine(hidden: Iterable[str], visible: Iterable[str] = (), writable: Iterable[str] = ()) -> str:
    """Make ``hidden`` files and folders unreadable to this process and its children, everything but ``writable`` and
    the common places unwritable, and the world outside untraceable.

    Landlock knows only what is allowed, so everything beside the hidden paths may be read; ``visible`` paths even below
    a hidden folder, or one that cannot be listed. Names and sizes of hidden files are told. A hidden path below a
    writable folder stays untouchable, and nothing new can be made directly in the folders on the way to it. Returns
    what holds: ``landlock``, or ``process`` (privileges alone).
    """
    try:
        drop_privileges()
        return restrict(frozenset(map(os.path.realpath, hidden)), visible, [*COMMON_WRITABLE, *writable])
    except OSError as error:  # a container that forbids the calls: run, and say so
        return f"process ({error})"


def restrict(hidden: frozenset[str], visible: Iterable[str], writable: Iterable[str]) -> str:
    abi = landlock_abi()
    if abi < ABI_REFER:
        return "process (no Landlock in this kernel)"
    read, write = ACCESS_READ_FILE | ACCESS_REFER, write_access(abi)
    scoped = SCOPE_SIGNAL if abi >= ABI_SCOPE else 0
    attr = RulesetAttr(read | write | ACCESS_MAKE_DEVICE, 0, scoped)
    size = ctypes.sizeof(attr) if scoped else 8
    ruleset = checked(libc.syscall(SYS_CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(size), 0))
    shown = [os.path.realpath(path) for path in visible]
    for path in [*paths_beside(hidden), *shown]:
        if not holds_secret(path, hidden):
            allow(ruleset, path, read)
    for root in map(os.path.realpath, writable):
        for path in beside(root, veils(root, hidden, shown)):
            allow(ruleset, path, write)
    for path in HARMLESS_DEVICES:
        allow(ruleset, path, write)
    checked(libc.syscall(SYS_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return "landlock"


def write_access(abi: int) -> int:
    """All rights to change files and folders that this Landlock knows."""
    return sum(ACCESS_CHANGE_FOLDER) | ACCESS_WRITE_FILE | (ACCESS_TRUNCATE if abi >= ABI_TRUNCATE else 0)


def holds_secret(path: str, hidden: frozenset[str]) -> bool:
    """Whether a path is a hidden one, or a folder on the way to one."""
    return any(f"{secret}/".startswith(f"{path.rstrip('/')}/") for secret in hidden)


def veils(path: str, hidden: frozenset[str], shown: Iterable[str]) -> frozenset[str]:
    """The hidden paths but those in which a shown folder holds ``path`` (real paths)."""
    around = [folder for folder in shown if is_within(path, folder)]
    return frozenset(secret for secret in hidden if not any(is_within(folder, secret) for folder in around))


def is_within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def allow(ruleset: int, path: str, access: int) -> None:
    """Allow this below ``path``; one that went away or may not be opened is left out."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):  # noqa: PTH112 - no pathlib in the warden
        access &= ACCESS_READ_FILE | ACCESS_WRITE_FILE | ACCESS_TRUNCATE
    rule = PathBeneathAttr(access, fd)
    checked(libc.syscall(SYS_ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0))
    os.close(fd)


def beside(root: str, hidden: frozenset[str]) -> list[str]:
    """The highest paths that together hold everything below ``root`` but ``hidden`` (real paths)."""
    if any(f"{root}/".startswith(f"{secret}/") for secret in hidden):
        return []
    return walk(root, hidden) if holds_secret(root, hidden) else [root]


def paths_beside(hidden: frozenset[str]) -> list[str]:
    """The highest paths that together hold everything but ``hidden`` (real paths)."""
    return walk("/", hidden) if hidden else ["/"]


def walk(folder: str, hidden: frozenset[str]) -> list[str]:
    allowed: list[str] = []
    try:
        entries = [entry.path for entry in os.scandir(folder) if not entry.is_symlink()]
    except PermissionError:  # a folder that may be passed but not listed, as /home often is
        return []
    for path in entries:
        if any(secret.startswith(path + "/") for secret in hidden):
            allowed += walk(path, hidden)
        elif path not in hidden:
            allowed.append(path)
    return allowed


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"confinement: {os.strerror(ctypes.get_errno())}")
    return int(result)
