"""Rules about the database: downgrades, dumps and restores."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollback_drills.runbook.calls import Call
from rollback_drills.runbook.context import Context
from rollback_drills.runbook.flow import Flow
from rollback_drills.runbook.instruction import Instruction, at
from rollback_drills.runbook.options import Options, read_options

_PSQL = ("dhpUvfcLoFPRT", "dbname host port username set variable file command output log-file field-separator")
_PG = ("dEfFhIjLnNpPStTUZ", "dbname host port username file format jobs schema table role encoding")
_CREATEDB = ("DEhlOpTU", "template owner username host port encoding locale tablespace maintenance-db")
_DROPDB = ("hpU", "host port username maintenance-db")
_OF_A_ROLLBACK = {"current", "downgrade", "upgrade", "stamp"}
_RELATIVE = re.compile(r"([\w.-]+@)?(heads?|current)?-\d+")
_CREATES = re.compile(r"\bCREATE\s+DATABASE\s+\"?(?P<name>[\w$<>{}-]+)", re.IGNORECASE)
_DROPS = re.compile(r"\bDROP\s+DATABASE\s+(IF\s+EXISTS\s+)?\"?(?P<name>[\w$<>{}-]+)\"?(?!.*\bFORCE\b)", re.IGNORECASE)
_EMPTIES = re.compile(r"\bDROP\s+SCHEMA\s+\"?public|\bRENAME\s+TO\b|\bTRUNCATE\b", re.IGNORECASE)
_ENDS_SESSIONS = re.compile(r"pg_terminate_backend|\bREVOKE\s+CONNECT\b|ALLOW_CONNECTIONS\s+false", re.IGNORECASE)
_ASIDE = re.compile(
    r"restor|_new\b|_tmp|temp|scratch|_test|test_|verify|rehears|_old\b|damaged|_bak|_backup|staging|copy",
    re.IGNORECASE,
)
_READS = {"cat", "gunzip", "zcat", "gzip", "bzcat", "bunzip2", "xzcat", "xz", "zstd", "zstdcat", "pv", "unzip", "lz4"}
_SCRIPT = re.compile(
    r"manifest|check|verif|quer|fix|patch|migrat|downgrade|upgrade|rollback|undo|revert|down\b|up\b|count|select|lock|grant"
    r"|report|health|status|smoke|seed|clean|vacuum|analy[sz]e|index|schema|roles|globals|function|extension|init|^[VU]\d"
    r"|^\d{3,}_|kill|terminat|settings|config",
    re.IGNORECASE,
)
_DUMP = re.compile(r"backup|dump|\.bak|snapshot|restore|\.gz|\.zst|\.xz|\.bz2", re.IGNORECASE)
_TEXT = re.compile(r"\.(sql|dump|bak|pgdump|backup|out|pgsql)(\.\w+)?$|backup|dump|<|\$", re.IGNORECASE)


def blind_downgrade(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A downgrade by a number of revisions."""
    for call in flow.calls:
        arguments = call.arguments
        if "--sql" in arguments or "--help" in arguments or "downgrade" not in arguments:
            continue
        after = [word for word in arguments[arguments.index("downgrade") + 1 :] if word != "--"]
        if call.program == "alembic" and any(_RELATIVE.fullmatch(word) for word in after):
            yield at(call)
        elif call.program == "flask" and "db" in arguments:
            named = [word for word in after if not word.startswith("-")]
            if not named or any(_RELATIVE.fullmatch(word) for word in after):
                yield at(call)


def exec_needs_running_gateway(flow: Flow, context: Context) -> Iterator[Instruction]:
    """Alembic by `docker compose exec`, in the gateway that may not be running."""
    for call in flow.calls:
        named = call.program == "alembic" or (call.program == "flask" and call.arguments[:1] == ("db",))
        migrates = named and bool(_OF_A_ROLLBACK & set(call.arguments))
        if not migrates or not context.is_gateway(call.inside) or call.remote or call.own_container:
            continue
        if not any(_starts_gateway(each, context) for each in flow.earlier(call)):
            yield at(call)


def _starts_gateway(call: Call, context: Context) -> bool:
    compose = call.compose
    if compose is None or compose.verb not in {"up", "start"}:
        return False
    return not compose.services or any(context.is_gateway(name) for name in compose.services)


def restore_over_live_database(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A dump that is fed to psql or pg_restore, which go on after errors, into a database that was there before."""
    for call in flow.calls:
        if not _restores(call):
            continue
        name = _database_of(call)
        if name is not None and _ASIDE.search(name):
            continue
        if not _is_new(flow, call, name):
            yield at(call)


def _restores(call: Call) -> bool:
    if call.program == "psql":
        options = read_options(call.arguments, *_PSQL)
        stops = any(re.fullmatch(r"ON_ERROR_STOP(=(1|on|true|yes))?", each, re.IGNORECASE) for each in _set(options))
        return not stops and _is_fed_a_dump(call, options)
    if call.program == "pg_restore":
        options = read_options(call.arguments, *_PG)
        visible = options.has("-e", "--exit-on-error", "-1", "--single-transaction", "-l", "--list", "-C", "--create")
        return options.value("-d", "--dbname") is not None and not visible and not options.has("-c", "--clean")
    return False


def _set(options: Options) -> list[str]:
    return options.all_of("-v", "--set", "--variable")


def _is_fed_a_dump(call: Call, options: Options) -> bool:
    files = [name for name in options.all_of("-f", "--file") if name != "-"]
    if files:
        return any(_is_dump(name) for name in files)
    if options.has("-c", "--command", "-l", "--list"):
        return False
    for each in call.command.redirections:
        if each.operator.startswith("<<"):
            return False
        if each.operator == "<":
            inner = re.match(r"<\((?P<program>\w+)", each.target)
            return inner["program"] in _READS if inner else _is_dump(each.target)
    return any(_reads_a_dump(words) for words in call.command.fed_by)


def _reads_a_dump(words: tuple[str, ...]) -> bool:
    """Whether the first program of a pipeline reads a dump from a file."""
    if not words:
        return False
    program = words[0].rpartition("/")[2]
    files = [word for word in words[1:] if not word.startswith("-")]
    if program == "aws":
        return "cp" in words and words[-1] == "-"
    if program in {"gsutil", "gcloud", "az", "ssh"}:
        return "cat" in words or "cp" in words
    if program in {"curl", "wget"}:
        return any(_DUMP.search(word) for word in files)
    if program == "pg_restore":
        return bool(files)
    return program in _READS and any(_is_dump(name) for name in files)


def _is_dump(name: str) -> bool:
    """Whether a file is a dump by its name; a script of statements is none."""
    base = name.rstrip("\"'").rpartition("/")[2]
    if _DUMP.search(base) and not re.search(r"check|verif|manifest", base):
        return True
    return bool(_TEXT.search(base)) and not _SCRIPT.search(base) and not re.search(r"migrations?/|sql/|scripts?/", name)


def _database_of(call: Call) -> str | None:
    """The database that a client tool works on; None if it is not named."""
    options = read_options(call.arguments, *(_PSQL if call.program == "psql" else _PG))
    named = options.value("-d", "--dbname")
    if named is None and call.program in {"psql", "dropdb", "createdb"} and options.operands:
        named = options.operands[0]
    if named is None:
        named = dict(call.assignments).get("PGDATABASE")
    return named.partition("?")[0].rpartition("/")[2] if named is not None and "://" in named else named


def _is_new(flow: Flow, call: Call, name: str | None) -> bool:
    """Whether the page has just made or emptied the database."""
    made, emptied = set[str](), False
    for each in flow.until(call):
        if each.program == "createdb":
            made |= set(read_options(each.arguments, *_CREATEDB).operands[:1])
        sql = sql_of(each)
        made |= {found["name"] for found in _CREATES.finditer(sql)}
        emptied = emptied or bool(_EMPTIES.search(sql)) or _deletes_volume(each)
    if emptied:
        return True
    unknown = name is None or any("$" in each or "<" in each for each in (name, *made))
    return bool(made) and (unknown or name in made)


def _deletes_volume(call: Call) -> bool:
    compose = call.compose
    if compose is not None and compose.verb in {"down", "rm"} and compose.options.has("-v", "--volumes"):
        return True
    return call.program == "docker" and call.arguments[:2] == ("volume", "rm")


def sql_of(call: Call) -> str:
    """The SQL that is given to psql: by `-c`, and by a here-document."""
    if call.program != "psql":
        return ""
    given = read_options(call.arguments, *_PSQL).all_of("-c", "--command")
    given += [each.target for each in call.command.redirections if each.operator.startswith("<<")]
    given += [" ".join(words[1:]) for words in call.command.fed_by if words and words[0] in {"echo", "printf"}]
    return ";\n".join(given)


def database_not_waited_for(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A command to the database right after the database was started."""
    for call in flow.calls:
        if not _starts_database_alone(call, context):
            continue
        later = flow.later(call)
        waiting = {each.command for each in later if _waits(each)}
        for each in later:
            if each.command in waiting:
                break
            if _needs_database(each, context):
                yield at(call)
                break


def _starts_database_alone(call: Call, context: Context) -> bool:
    compose = call.compose
    if compose is not None:
        alone = compose.services and all(context.is_database(name) for name in compose.services)
        detached = compose.verb != "up" or compose.options.has("-d", "--detach")
        return bool(
            compose.verb in {"up", "start", "restart"} and alone and detached and not compose.options.has("--wait")
        )
    words = call.arguments
    return (
        call.program == "docker"
        and words[:1] in {("start",), ("restart",)}
        and all(map(context.is_database, words[1:]))
    )


def _waits(call: Call) -> bool:
    if call.program == "sleep":
        seconds = re.match(r"\d+", "".join(call.arguments[:1]))
        return seconds is None or int(seconds[0]) >= 10 or "m" in "".join(call.arguments[:1])
    waits = call.compose is not None and (call.compose.verb == "wait" or call.compose.options.has("--wait"))
    looks = bool(call.command.tested) or call.program in {"pg_isready", "timeout", "wait-for-it.sh", "dockerize"}
    return waits or looks or (call.program.startswith(("./", "wait")) if call.program else False)


def _needs_database(call: Call, context: Context) -> bool:
    if call.program in {"psql", "alembic", "createdb", "dropdb", "pg_dump", "pg_restore"}:
        return True
    compose = call.compose
    return compose is not None and compose.verb == "exec" and any(map(context.is_database, compose.services))


def clean_leaves_younger_tables(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A dump or a restore with `--clean`, unless the block creates the database anew."""
    created = False
    for call in flow.calls:
        created = created or call.program == "createdb" or bool(_CREATES.search(sql_of(call)))
        if call.program in {"pg_dump", "pg_restore"} and not created:
            options = read_options(call.arguments, *_PG)
            if options.has("-c", "--clean") and not options.has("-C", "--create"):
                yield at(call)


def dropdb_while_connected(flow: Flow, context: Context) -> Iterator[Instruction]:
    """Dropping a database, unless by force, or after the gateway was stopped or its sessions were ended."""
    stopped = False
    for each in flow.above:
        said = _stopped(each, context)
        stopped = stopped if said is None else said
    for call in flow.calls:
        said = _stopped(call, context)
        stopped = stopped if said is None else said
        name = _dropped(call)
        if not stopped and name is not None and not _ASIDE.search(name):
            yield at(call)


def _dropped(call: Call) -> str | None:
    """The database that it drops, unless by force."""
    if call.program == "dropdb":
        options = read_options(call.arguments, *_DROPDB)
        return None if options.has("-f", "--force") or not options.operands else options.operands[0]
    found = _DROPS.search(sql_of(call))
    return found["name"] if found else None


def _stopped(call: Call, context: Context) -> bool | None:
    """Whether a command stops the gateway (True) or starts it (False); None if it does neither."""
    if _ENDS_SESSIONS.search(sql_of(call)):
        return True
    compose = call.compose
    if compose is not None:
        verb, named = compose.verb, any(map(context.is_gateway, compose.services)) or not compose.services
        if verb in {"down", "stop", "kill", "rm", "pause"} and named:
            return True
        return False if verb in {"up", "start", "restart"} and named else None
    words = call.arguments
    if call.program in {"docker", "podman"} and words[:1] in {("stop",), ("kill",)}:
        return True if any(map(context.is_gateway, words[1:])) else None
    if call.program in {"systemctl", "supervisorctl", "service", "pm2"}:
        return True if "stop" in words else (False if {"start", "restart"} & set(words) else None)
    return True if call.program == "kubectl" and "scale" in words else None


def dump_status_lost(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A dump into a pipe whose status nobody sees: a dump that fails leaves a file that looks like a backup."""
    for call in flow.calls:
        if call.program not in {"pg_dump", "pg_dumpall"} or not call.command.feeds:
            continue
        kept = call.command.feeds[0].rpartition("/")[2] in {
            "gzip",
            "zstd",
            "xz",
            "bzip2",
            "lz4",
            "pigz",
            "gpg",
            "age",
            "aws",
        }
        if kept and not call.command.function and not _has_pipefail(flow, call):
            yield at(call)


def _has_pipefail(flow: Flow, call: Call) -> bool:
    sets = any(each.program == "set" and "pipefail" in each.arguments for each in flow.until(call))
    return sets or "pipefail" in call.text


def downgrade_with_old_tree(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A downgrade in the release that was just rolled back to: it has no script for the newer revisions."""
    for call in flow.calls:
        if call.program != "alembic" or "downgrade" not in call.arguments or not context.is_gateway(call.inside):
            continue
        if call.remote or call.assignments:
            continue
        earlier = [*flow.earlier(call)]
        ups = [place for place, each in enumerate(earlier) if _starts_gateway(each, context)]
        if ups and any(_chooses_release(each) for each in earlier[: ups[-1] + 1]):
            yield at(call)


def _chooses_release(call: Call) -> bool:
    version = any(re.search(r"VERSION|TAG$|RELEASE", name) for name, _ in call.assignments)
    edits = call.program == "sed" and re.search(r"(VERSION|TAG|RELEASE)=", call.text)
    return bool(version or edits) or (call.program == "git" and call.arguments[:1] in {("checkout",), ("switch",)})
