"""Alembic's configuration file, read without Alembic."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.core.errors import TargetError
from rollback_drills.migrations.ini import driver_of, script_directories, working_directory


def ini(directory: Path, text: str, name: str = "alembic.ini") -> Path:
    file = directory / name
    file.write_text(text)
    return file


def directories(directory: Path, *names: str) -> list[Path]:
    made = [directory / name for name in names]
    for each in made:
        each.mkdir(parents=True)
    return made


@pytest.mark.parametrize("location", ["migrations", "%(here)s/migrations", "./migrations"])
def test_scripts_are_beside_the_file_in_versions(tmp_path: Path, location: str):
    directories(tmp_path, "migrations/versions")
    file = ini(tmp_path, f"[alembic]\nscript_location = {location}\n")
    assert [each.resolve() for each in script_directories(file)] == [tmp_path / "migrations" / "versions"]


def test_a_location_may_be_within_a_package(tmp_path: Path):
    directories(tmp_path, "app/db/migrations/versions")
    file = ini(tmp_path, "[alembic]\nscript_location = app.db:migrations\n")
    assert script_directories(file) == (tmp_path / "app/db/migrations/versions",)


def test_alembic_may_be_called_from_further_up(tmp_path: Path):
    directories(tmp_path, "app/migrations/versions")
    file = ini(tmp_path / "app", "[alembic]\nscript_location = app/migrations\n")
    assert working_directory(file) == tmp_path
    assert script_directories(file) == (tmp_path / "app/migrations/versions",)


@pytest.mark.parametrize(
    ("separator", "text"),
    [
        ("", "a b"),
        ("", "a, b"),
        ("version_path_separator = :", "a:b"),
        ("path_separator = newline", "a\n  b"),
        ("path_separator = space", "a b"),
        ("path_separator = os", "a:b"),
        ("path_separator = ;", "a;b"),
    ],
)
def test_several_directories_are_split_as_alembic_splits_them(tmp_path: Path, separator: str, text: str):
    wanted = directories(tmp_path, "a", "b")
    directories(tmp_path, "migrations")
    file = ini(tmp_path, f"[alembic]\nscript_location = migrations\n{separator}\nversion_locations = {text}\n")
    assert script_directories(file) == tuple(wanted)


def test_subdirectories_are_read_where_alembic_reads_them(tmp_path: Path):
    directories(tmp_path, "migrations/versions/2024", "migrations/versions/__pycache__")
    text = "[alembic]\nscript_location = migrations\nrecursive_version_locations = true\n"
    versions = tmp_path / "migrations" / "versions"
    assert script_directories(ini(tmp_path, text)) == (versions, versions / "2024")


def test_a_section_is_chosen_as_with_alembics_option(tmp_path: Path):
    directories(tmp_path, "one/versions", "two/versions")
    file = ini(
        tmp_path,
        "[DEFAULT]\nsqlalchemy.url = postgresql+asyncpg://\n[alembic]\nscript_location = one\n"
        "[reports]\nscript_location = two\nsqlalchemy.url = postgres://h/d\n",
    )
    assert script_directories(file) == (tmp_path / "one/versions",)
    assert script_directories(file, "reports") == (tmp_path / "two/versions",)
    assert (driver_of(file), driver_of(file, "reports")) == ("postgresql+asyncpg", "postgresql")


def test_a_missing_section_is_named_with_those_that_exist(tmp_path: Path):
    file = ini(tmp_path, "[alembic]\nscript_location = one\n[reports]\n")
    with pytest.raises(
        TargetError, match=r"no section \[other\](?s:.*)it has alembic, reports(?s:.*)--drill-alembic-name"
    ):
        script_directories(file, "other")


def test_a_pyproject_has_one_table_and_no_sections(tmp_path: Path):
    directories(tmp_path, "db/versions", "more")
    text = '[tool.alembic]\nscript_location = "%(here)s/db"\nversion_locations = ["more", "db/versions"]\n'
    file = ini(tmp_path, text, "pyproject.toml")
    assert script_directories(file) == (tmp_path / "more", tmp_path / "db" / "versions")
    with pytest.raises(TargetError, match=r"no section 'other': in a pyproject.toml, alembic reads \[tool.alembic\]"):
        script_directories(file, "other")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("alembic.ini", "[alembic]\n", r"no script_location in \[alembic\]"),
        ("alembic.ini", "script_location = x\n", "cannot be read"),
        ("alembic.ini", "[alembic]\nscript_location = nowhere\n", "no directory of migration scripts"),
        ("pyproject.toml", "[project]\nname = 'x'\n", r"no table \[tool.alembic\]"),
        ("pyproject.toml", "[tool.alembic]\n", r"no script_location in \[tool.alembic\]"),
        ("pyproject.toml", "[tool.alembic\n", "cannot be read"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, name: str, text: str, message: str):
    with pytest.raises(TargetError, match=message):
        script_directories(ini(tmp_path, text, name))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(TargetError, match="cannot be read: No such file"):
        script_directories(tmp_path / "alembic.ini")
