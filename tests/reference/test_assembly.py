"""Releases of the reference gateway are assembled from one source."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.reference_gateway import (
    HEADS,
    NEW_INTEGRATIONS,
    SOURCE,
    assembly,
)


def test_a_release_contains_what_belongs_to_it_and_nothing_else(trees: dict[str, Path]) -> None:
    names = {r: list(runpy.run_path(str(t / "gateway/integrations.py"))["INTEGRATIONS"]) for r, t in trees.items()}
    assert len(names["0.4.0"]) == 15
    assert names["0.5.0"] == names["0.4.0"] + NEW_INTEGRATIONS
    scripts = {r: sorted(path.stem for path in (t / "migrations/versions").iterdir()) for r, t in trees.items()}
    assert len(scripts["0.4.0"]) == 6
    assert len(scripts["0.5.0"]) == 12
    for release, tree in trees.items():
        label = runpy.run_path(str(tree / "gateway/_release.py"))
        assert (label["RELEASE"], label["EXPECTED_REVISION"]) == (release, HEADS[release])
        assert scripts[release][-1] == HEADS[release]
        for path in tree.rglob("*.py"):
            text = path.read_text("utf-8")
            assert not re.search(r"# \[(since|until|end)", text), path
            compile(text, str(path), "exec")
    assert "integration_names" not in (trees["0.5.0"] / "gateway/api.py").read_text()
    assert "status" not in (trees["0.4.0"] / "gateway/deliveries.py").read_text()


def test_the_source_itself_is_labelled_as_the_newest_release(trees: dict[str, Path]) -> None:
    assert (SOURCE / "gateway/_release.py").read_text() == (trees["0.5.0"] / "gateway/_release.py").read_text()
    assert assembly.RELEASES[-1] == "0.5.0"


def test_assembly_refuses_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    for arguments, reason in [
        (["0.6.0", str(tmp_path / "new")], "there is no release '0.6.0'; known are 0.4.0, 0.5.0"),
        (["0.4.0", str(tmp_path / "used")], "exists and is not empty"),
        (["0.4.0", str(tmp_path / "used" / "file")], "exists and is not a directory"),
        (["0.4.0"], "usage:"),
    ]:
        result = subprocess.run([sys.executable, SOURCE / "assemble.py", *arguments], capture_output=True, text=True)
        assert result.returncode == 2
        assert reason in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# [since 0.5.0]\npass\n", "never ended"),
        ("pass\n# [end]\n", "does not match"),
        ("# [since 0.5.0]\n# [until 0.5.0]\n# [end]\n", "does not match"),
    ],
)
def test_assembly_refuses_marks_that_do_not_match(tmp_path: Path, text: str, reason: str) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source)
    (source / "gateway" / "extra.py").write_text(text)
    with pytest.raises(assembly.AssemblyError, match=reason):
        assembly.assemble("0.4.0", tmp_path / "tree", source=source)
    assert not (tmp_path / "tree").exists()


def test_assembly_refuses_migrations_without_one_head(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source)
    script = source / "migrations/versions/0004_delivery_checks.py"
    script.write_text(script.read_text().replace('since = "0.4.0"', 'since = "0.5.0"'))
    with pytest.raises(assembly.AssemblyError, match="build on 0004_delivery_checks, which this release does not"):
        assembly.assemble("0.4.0", tmp_path / "tree", source=source)
    script.write_text(script.read_text().replace('"0003_comments_and_lookup"', '"0002_outbox"'))
    with pytest.raises(assembly.AssemblyError, match=r"2 heads \(0003_comments_and_lookup, 0012_delivery"):
        assembly.assemble("0.5.0", tmp_path / "tree", source=source)
