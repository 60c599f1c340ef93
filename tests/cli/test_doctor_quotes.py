"""The doctor quotes the gateway's log with what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.cli.doctor.quotes import LINES, with_log
from rollback_drills.runtimes.host import logs


class Gateway:
    """A gateway whose log is a file, as that of the embedded runtime."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, text: str) -> None:
        with self.file.open("a") as stream:
            stream.write(text)

    def logs(self) -> str:
        return logs.read_tail(self.file)


def quoted(tmp_path: Path, *events: tuple[str, str]) -> list[Diagnosis]:
    """Rows with these outcomes, each after the gateway has written this text."""
    gateway = Gateway(tmp_path / "gateway.log")
    gateway.write("started\n")

    def rows() -> Iterator[Diagnosis]:
        for number, (outcome, text) in enumerate(events):
            gateway.write(text)
            yield Diagnosis(f"row {number}", outcome, "a detail")  # type: ignore[arg-type]

    stack: Any = SimpleNamespace(gateway=gateway)
    return list(with_log(stack, rows()))


def test_a_problem_has_what_was_written_meanwhile(tmp_path: Path):
    fine, wrong, again = quoted(tmp_path, ("ok", "fine\n"), ("problem", "no SSL\n"), ("problem", "still no SSL\n"))
    assert fine.detail == "a detail"
    assert wrong.detail == "a detail\nthe gateway's log meanwhile:\n  no SSL"
    assert again.detail.endswith("meanwhile:\n  still no SSL"), "nothing is quoted twice"


def test_a_silent_gateway_is_not_quoted(tmp_path: Path):
    assert [row.detail for row in quoted(tmp_path, ("problem", ""))] == ["a detail"]


def test_only_the_end_of_a_long_log_is_quoted(tmp_path: Path):
    text = "".join(f"line {number}\n" for number in range(10_000))
    (row,) = quoted(tmp_path, ("problem", text))
    assert row.detail.splitlines()[-LINES:] == [f"  line {number}" for number in range(10_000 - LINES, 10_000)]
