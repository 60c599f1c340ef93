"""No password is in the arguments of a process, which every user of the machine can read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.planting import ROOT, perform
from support.seen_arguments import VARIABLE

URL_WITH_PASSWORD = re.compile(r"\w+://[^\s:/@]*:[^\s/@]+@127\.0\.0\.1\S*")


@pytest.mark.slow
def test_no_password_is_in_the_arguments_of_a_scenario_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv(VARIABLE, str(seen))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    target = tmp_path / "target.toml"
    text = (ROOT / "fixtures" / "targets" / "reference.toml").read_text()
    target.write_text(text.replace("{here}", str(ROOT / "fixtures" / "targets")).replace('"../', f'"{ROOT}/fixtures/'))
    done = perform(target, "test_scenario_c_full_restore", arguments=["-p", "support.seen_arguments"])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = seen.read_text()
    assert "pg_dump --dbname=postgresql://" in lines
    assert re.search(r"psql .*--dbname=postgresql://", lines)
    assert URL_WITH_PASSWORD.findall(lines) == []
