"""The walk of a bare alembic.ini (``--drill-alembic``): its options, and its start before any item runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollback_drills.pytest_plugin.selection import interpreter_of

if TYPE_CHECKING:
    from rollback_drills.migrations.reversibility.walk import Walk
    from rollback_drills.pytest_plugin.session import DrillSession
    from rollback_drills.runtimes.embedded.builds import PostgresBuild

_PLACEHOLDERS = "{url}, {host}, {port}, {user}, {password} and {database} are replaced"


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-alembic",
        metavar="FILE",
        help="drill only the migrations of this alembic.ini: no target file, no gateway (use with -k reversibility)",
    )
    group.addoption(
        "--drill-alembic-name",
        metavar="SECTION",
        default="alembic",
        help="section of alembic.ini, as in alembic's own option -n (default: alembic)",
    )
    group.addoption(
        "--drill-alembic-python",
        metavar="PYTHON",
        help="interpreter that has alembic and the models (default: the one that runs pytest)",
    )
    group.addoption(
        "--drill-alembic-env",
        metavar="NAME=VALUE",
        action="append",
        help=f"a variable for env.py; {_PLACEHOLDERS} (may be repeated)",
    )
    group.addoption(
        "--drill-alembic-x",
        metavar="NAME=VALUE",
        action="append",
        help=f"an argument for env.py, as alembic's own option -x; {_PLACEHOLDERS} (may be repeated)",
    )
    group.addoption(
        "--drill-alembic-engine",
        metavar="NAME",
        help="of several databases that env.py migrates (alembic's template multidb), the one to walk",
    )
    group.addoption(
        "--drill-alembic-baseline",
        metavar="FILE",
        help="SQL that creates the schema before the first revision, if the history does not begin with an empty one",
    )


def open_walk(session: DrillSession, chosen: set[str], texts: Sequence[str]) -> Walk:
    """Start a server for the migrations alone, and the walk on it; the server ends with the session's workspace.

    Args:
        chosen: the revisions to prove.
        texts: of all scripts.

    Raises:
        DrillError: env.py does not start, or what an option names is not there.
    """
    from rollback_drills.lab.alembic_start import driver_candidates, installed_drivers, open_configuration, start
    from rollback_drills.lab.bare_alembic import BareAlembicEnvironment
    from rollback_drills.migrations.reversibility.walk import Walk

    config, file = session.config, session.target.file
    section, interpreter = config.getoption("drill_alembic_name"), interpreter_of(config)
    baseline = config.getoption("drill_alembic_baseline")
    settings = session.target.migrations
    file_of_baseline = Path(config.invocation_params.dir, baseline) if baseline else None
    if file_of_baseline is None and settings.baseline is not None:
        file_of_baseline = Path(settings.baseline)
    variables = _pairs(config)
    sql = _text(file_of_baseline) if file_of_baseline is not None else ""
    build = _build(session, [sql, *texts])
    server, workspace = session.resources.open_server(session.runtime, build)
    opened = open_configuration(file, section, interpreter, workspace.path)
    environment = BareAlembicEnvironment(
        file,
        interpreter=interpreter,
        admin_url=server.admin_url,
        run=session.run,
        workspace=workspace.path,
        bin_dir=server.bin_dir,
        section=section,
        variables=variables,
        arguments=config.getoption("drill_alembic_x") or (),
        engine=config.getoption("drill_alembic_engine") or "",
        baseline=sql,
        timeout=settings.timeout,
    )
    walk = Walk(environment, session.target.migrations, wanted=chosen)
    try:
        installed = installed_drivers(interpreter, workspace.path)
        start(environment, walk, driver_candidates(file, section, opened.env, installed), baseline=bool(sql))
    except BaseException:
        walk.close()
        raise
    _tell(
        config,
        f"drill migrations: env.py connects with {walk.driver}",
        build.reason and f"drill runtime: {build.reason}",
    )
    return walk


def _build(session: DrillSession, texts: Iterable[str]) -> PostgresBuild:
    """The target file's PostgreSQL, or one that has the extensions which scripts create."""
    from rollback_drills.runtimes.embedded.builds import PostgresBuild, build_with, extensions_in

    named = session.target.database.bin_dir
    if named:
        return PostgresBuild(Path(named))
    return build_with(frozenset().union(*map(extensions_in, texts)))


def _tell(config: pytest.Config, *lines: str) -> None:
    reporter = config.pluginmanager.getplugin("terminalreporter")
    for line in filter(None, lines) if reporter is not None and config.get_verbosity() >= 0 else ():
        reporter.ensure_newline()
        reporter.write_line(line)


def _pairs(config: pytest.Config) -> dict[str, str]:
    from rollback_drills.core.errors import TargetError

    given: list[str] = config.getoption("drill_alembic_env") or []
    wrong = [each for each in given if "=" not in each]
    if wrong:
        raise TargetError(f"--drill-alembic-env {wrong[0]} gives no value", fix="write NAME=VALUE")
    return dict(each.split("=", 1) for each in given)


def _text(file: Path) -> str:
    from rollback_drills.core.errors import TargetError

    try:
        return file.read_text()
    except OSError as error:
        raise TargetError(
            f"{file} cannot be read: {error.strerror}", fix="name it with --drill-alembic-baseline"
        ) from None
