"""How much of the evidence goes into the page. The whole of it is always in evidence.json beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds, in characters or in entries of one list."""

    output: int = 4000
    """characters of a command's output"""
    value: int = 1000
    """characters of one expected, observed or recorded value"""
    line: int = 300
    """characters of a title, a name, a reason"""
    items: int = 40
    """entries of a list, an object or a difference"""
    rows: int = 200
    """checks, observations or commands of a step; findings; files"""
    steps: int = 100
    """steps of a drill"""
    cases: int = 6
    """cases of a parametrised drill whose steps are shown; of those that passed, at most two"""
    groups: int = 500
    """drills whose steps are shown"""
    buckets: int = 96
    """stretches of time of a chart"""

    @property
    def calm(self) -> Limits:
        """For a drill that passed: nobody reads all that it said, and evidence.json has it."""
        return replace(self, output=min(self.output, 400), value=min(self.value, 300), items=min(self.items, 10))


FULL = Limits()
SUMMARY = Limits(output=0, value=1000, line=200, items=5, rows=60, steps=0, cases=0, groups=0)
"""For Markdown and the terminal, which show no steps."""
LADDER = (
    FULL,
    Limits(output=1600, value=600, line=240, items=25, rows=100, steps=60, cases=4, groups=200, buckets=64),
    Limits(output=600, value=300, line=200, items=12, rows=40, steps=40, cases=2, groups=120, buckets=40),
    Limits(output=240, value=120, line=140, items=6, rows=12, steps=20, cases=1, groups=80, buckets=24),
    Limits(output=100, value=60, line=100, items=3, rows=4, steps=8, cases=1, groups=40, buckets=12),
    Limits(output=60, value=60, line=80, items=3, rows=3, steps=5, cases=1, groups=12, buckets=8),
)
"""From generous to sparse: the first one with which the document stays under its limit is used."""
