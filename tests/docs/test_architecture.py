"""ARCHITECTURE.md: short, and its table of rooms is the one that is enforced."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "ARCHITECTURE.md"
ROW = re.compile(r"^\| (\d+) \| (\w+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def enforced() -> ModuleType:
    spec = importlib.util.spec_from_file_location("enforced_rooms", ROOT / "tests" / "structure" / "test_rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["enforced_rooms"] = module  # its annotations are looked up there
    spec.loader.exec_module(module)
    return module


def rooms_of(cell: str, known: set[str]) -> set[str]:
    """What a cell names; `all but cli` are all others, but for that."""
    if cell.startswith("all but "):
        return known - set(cell.removeprefix("all but ").split(", "))
    return set() if cell == "-" else set(cell.split(", "))


def test_the_table_of_rooms_is_the_enforced_one(enforced: ModuleType) -> None:
    rows = ROW.findall(PAGE.read_text())
    known = {room for _, room, _ in rows}
    assert {room: rooms_of(cell, known - {room}) for _, room, cell in rows} == enforced.ROOMS
    assert {room: int(floor) for floor, room, _ in rows} == enforced.floors()


def test_the_picture_has_every_room(enforced: ModuleType) -> None:
    picture = PAGE.read_text().split("```text\n")[1].split("```")[0]
    drawn = {room for room in enforced.ROOMS if re.search(rf"\b{room}  ", picture)}
    assert drawn | {"report", "evidence"} == set(enforced.ROOMS)


def test_it_is_read_in_five_minutes() -> None:
    assert len(PAGE.read_text().splitlines()) <= 150
