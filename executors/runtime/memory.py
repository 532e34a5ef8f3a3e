"""Did the system kill something of ours for want of memory? Read from the executor's own cgroup (v2, or v1)."""

from __future__ import annotations

import re
from pathlib import Path

V1 = Path("/sys/fs/cgroup/memory/memory.oom_control")


def oom_kills() -> int:
    """Kills counted so far in the cgroup of this process; 0 when it cannot be told."""
    for path in (_v2_events(), V1):
        try:
            found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE) if path else None
        except OSError:
            continue
        if found:
            return int(found.group(1))
    return 0


def _v2_events() -> Path | None:
    try:
        found = re.search(r"^0::(/.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    except OSError:
        return None
    return Path("/sys/fs/cgroup") / found.group(1).lstrip("/") / "memory.events" if found else None
