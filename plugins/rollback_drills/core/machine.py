"""How busy this machine is: whether a time that was measured on it, or a time limit, proves anything."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

BURST = 0.05  # seconds of CPU; less would end before others get their turn
FAR_TOO_SLOW = 4.0  # a computation that takes so many times its CPU time has a quarter of a CPU
TOO_SLOW, TOO_MANY = 2.5, 4.0  # the same, together with so many runnable processes per CPU for a minute
FAR_TOO_MANY = 8.0  # runnable or waiting for a disk, per CPU
TOO_LATE = 1.0  # seconds by which a timer was late: whatever was due, came later than the target can be blamed for


@dataclass(frozen=True, slots=True)
class MachineLoad:
    """The machine at one moment.

    Attributes:
        load: the load average of the last minute (getloadavg(3)); 0 where the system has none.
        slowdown: how many times longer a computation takes than the CPU time that it needs.
        late: by how many seconds a timer was late at worst.
    """

    load: float
    cpus: int
    slowdown: float
    late: float = 0.0

    @property
    def overloaded(self) -> bool:
        """Whether times that are measured now say more about the machine than about the target."""
        crowd = self.load / self.cpus
        return (
            self.slowdown >= FAR_TOO_SLOW
            or (self.slowdown >= TOO_SLOW and crowd >= TOO_MANY)
            or crowd >= FAR_TOO_MANY
            or self.late >= TOO_LATE
        )

    def __str__(self) -> str:
        cpus = "1 CPU" if self.cpus == 1 else f"{self.cpus} CPUs"
        late = f", a timer was {self.late:.1f} s late" if self.late >= TOO_LATE else ""
        return f"load {self.load:.1f} on {cpus}, a computation takes {self.slowdown:.1f} times its CPU time{late}"


def measure(*, late: float = 0.0, burst: float = BURST) -> MachineLoad:
    """Measure the machine now, by a computation.

    Args:
        burst: seconds of CPU that the computation takes.
        late: by how many seconds a timer of the caller was late at worst.
    """
    began, cpu_began = time.monotonic(), time.thread_time()
    while (cpu := time.thread_time() - cpu_began) < burst:
        pass
    return MachineLoad(_load(), _cpus(), round((time.monotonic() - began) / cpu, 2), late)


def _load() -> float:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return 0.0


def _cpus() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
