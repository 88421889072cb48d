"""How much memory a process has, by the kernel's own books."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PEAK", "resident"]

#: The most that was ever resident.
PEAK = "VmHWM"


def resident(pid: int, line: str = "VmRSS") -> float:
    """Memory of a process in MB (10⁶ bytes), as the kernel's `line` says."""
    status = Path(f"/proc/{pid}/status").read_text()
    kibibytes = next(each for each in status.splitlines() if each.startswith(line)).split()[1]
    return int(kibibytes) * 1024 / 1e6
