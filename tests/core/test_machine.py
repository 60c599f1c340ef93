"""When a time that was measured says more about the machine than about the target."""

from __future__ import annotations

import pytest

from rollback_drills.core.machine import MachineLoad, measure


@pytest.mark.parametrize(
    ("load", "cpus", "slowdown", "late", "overloaded"),
    [
        (1.0, 2, 1.0, 0.0, False),
        (4.0, 2, 2.4, 0.2, False),  # two workers on two CPUs
        (8.0, 2, 2.0, 0.0, False),  # it was busy a minute ago
        (8.0, 2, 2.6, 0.0, True),
        (3.0, 2, 4.1, 0.0, True),  # it has just become busy
        (20.0, 2, 1.0, 0.0, True),  # it waits for its disks
        (0.5, 2, 1.0, 1.5, True),  # it was suspended
        (0.0, 1, 1.0, 0.0, False),  # a system without a load average
    ],
)
def test_what_counts_as_overloaded(load: float, cpus: int, slowdown: float, late: float, overloaded: bool):
    assert MachineLoad(load, cpus, slowdown, late).overloaded is overloaded


def test_a_measurement_names_what_it_found():
    found = measure(late=2.0)
    assert found.slowdown >= 0.99
    assert found.overloaded
    assert str(found).startswith(f"load {found.load:.1f} on ")
    assert str(found).endswith("a timer was 2.0 s late")
