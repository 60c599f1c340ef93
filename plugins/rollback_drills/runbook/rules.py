"""The rules of the runbook linter: one function per rule, named by the code of its finding.

A rule yields the commands of a block that mislead their reader. When in doubt, it reports nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from rollback_drills.runbook.markdown import Block, Context, Instruction
from rollback_drills.runbook.shell import ShellCommand, commands_in, options_of

_URL = re.compile(r"^(https?://|localhost\b|127\.0\.0\.1\b|\$\{?\w+\}?(/|$))", re.IGNORECASE)
_FAILS = {"-f", "--fail", "--fail-with-body"}
_SHOWS_STATUS = _FAILS | {
    "-i",
    "--include",
    "-I",
    "--head",
    "-D",
    "--dump-header",
    "-v",
    "--verbose",
    "-w",
    "--write-out",
}
_SAVES = {"-o", "--output", "-O", "--remote-name"}
_SENDS_DATA = {"-d", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--json"}
_SENDS = _SENDS_DATA | {"-F", "--form", "-T", "--upload-file"}
_READS = {"GET", "HEAD"}
_CURL_VALUED = "AbcCdDeEFHhKmoPQrtTuUwxXyYz"
_PG_VALUED = "dEeFfhIjLnNPpStTUZ"
_METHOD = re.compile(r"^(?:-[a-zA-Z]*X|--request)=?(?P<method>[A-Za-z]*)$")
_OFF = re.compile(r"[\"']?(false|off|0|no|disabled)\b", re.IGNORECASE)
_COMPOSE = r"\bdocker[ -]compose\b[^|;&]*?\s"
_STOPS_ALL = re.compile(_COMPOSE + r"(down|stop|kill)(\s+-\S+)*\s*$")
_STARTS_ALL = re.compile(_COMPOSE + r"(up|start|restart)(\s+-\S+)*\s*$")
_CREATES = re.compile(r"\bcreatedb\b|\bCREATE\s+DATABASE\b", re.IGNORECASE)
_DROPS = re.compile(r"\bDROP\s+DATABASE\b(?!.*\bFORCE\b)", re.IGNORECASE)
_STRICT = re.compile(r"^\s*set\s+(-\w*e\w*\b|.*-o\s+errexit\b)|\bbash\s+-\w*e")
_LAX = re.compile(r"^\s*set\s+(\+\w*e\w*\b|.*\+o\s+errexit\b)")
_QUOTED = re.compile(r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"")
_PLACEHOLDER = re.compile(r"(?<![<\d])<[A-Za-z][\w-]*(?: [\w-]+)*>")
_HERE_DOCUMENT = re.compile(r"<<-?\s*[\"'\\]?(?P<end>\w+)")
_PROSE = re.compile(r"^\s*([A-Z][a-z]|[\w ]+:(\s|$))")  # a template of a message, a summary of options
_ASSIGNMENT = re.compile(r"^\s*(export\s+)?[A-Z][A-Z0-9_<>]*=\S*\s*$|\bsed\b.*\.env\b")
_EXPORT = re.compile(r"^\s*export\s+[A-Z][A-Z0-9_]*=\S+")


def restart_keeps_environment(block: Block, context: Context) -> Iterator[Instruction]:
    """A restart after a variable was set; a restart alone does no harm."""
    edited = False
    for each in block:
        edited = edited or bool(_ASSIGNMENT.search(each.text))
        if edited and re.search(rf"{_COMPOSE}restart\b", each.text):
            yield each


def rollback_lives_in_a_shell(block: Block, context: Context) -> Iterator[Instruction]:
    """A variable that is exported for a start by Compose, and set nowhere else."""
    exported = [each for each in block if _EXPORT.search(each.text)]
    if any(re.search(rf"{_COMPOSE}(up|restart)\b", each.text) for each in block):
        yield from exported


def exec_needs_running_gateway(block: Block, context: Context) -> Iterator[Instruction]:
    """Alembic by `docker compose exec`, in the gateway that may not be running."""
    yield from _matching(block, rf"{_COMPOSE}exec\b[^|;&]*\s{re.escape(context.gateway)}\s+(\S*/)?alembic\b")


def blind_downgrade(block: Block, context: Context) -> Iterator[Instruction]:
    """A downgrade by a number of revisions."""
    yield from _matching(block, r"\balembic\b.*\bdowngrade\s+-\d")


def restore_over_live_database(block: Block, context: Context) -> Iterator[Instruction]:
    """A dump that is fed to psql, which goes on after errors."""
    for each in block:
        fed = re.search(r"\bcat\b.*\||<\s*\S", each.text)
        if fed and re.search(r"\bpsql\b", each.text) and "ON_ERROR_STOP" not in each.text:
            yield each


def down_destroys_evidence(block: Block, context: Context) -> Iterator[Instruction]:
    """`docker compose down`, which removes containers and their logs."""
    yield from _matching(block, rf"{_COMPOSE}down\b")


def database_not_waited_for(block: Block, context: Context) -> Iterator[Instruction]:
    """A command to the database right after the database was started."""
    for each, after in pairwise(block):
        started = re.search(rf"{_COMPOSE}up\b.*\s{re.escape(context.database)}\b", each.text)
        if started and "--wait" not in each.text and re.search(r"\bexec\b|\bpsql\b", after.text):
            yield each


def build_replaces_release(block: Block, context: Context) -> Iterator[Instruction]:
    """A build, which replaces an image that was released."""
    yield from _matching(block, rf"{_COMPOSE}build\b")


def _matching(block: Block, pattern: str) -> Iterator[Instruction]:
    return (each for each in block if re.search(pattern, each.text))


def check_ignores_status(block: Block, context: Context) -> Iterator[Instruction]:
    """A request whose status is neither shown nor used."""
    for each, command, arguments in _curls(block):
        options = _curl_options(arguments)
        seen = options & _SHOWS_STATUS or command.substituted or command.after in {"|", "|&"}
        saved = (options & _SAVES or ">" in arguments) and "/dev/null" not in arguments
        if not seen and not saved and _method(arguments) in _READS:
            yield each


def flag_checked_by_get(block: Block, context: Context) -> Iterator[Instruction]:
    """A webhook that is asked by GET, which is refused whether the flag is on or off."""
    for each, _, arguments in _curls(block):
        if _asks_webhook(arguments, context) and _method(arguments) in _READS:
            yield each


def flag_check_fails_when_off(block: Block, context: Context) -> Iterator[Instruction]:
    """`curl -f` after the block has turned a flag off: it fails on the expected 503."""
    off = False
    for each in block:
        values = _flag_values(each.text, context)
        off = bool(_OFF.match(values[-1])) if values else off
        for _, _, arguments in _curls((each,)):
            failing = _curl_options(arguments) & _FAILS
            if off and failing and _asks_webhook(arguments, context) and _method(arguments) not in _READS:
                yield each


def _flag_values(text: str, context: Context) -> list[str]:
    """The values after `FLAG=`; in a `sed`, the last one is the result."""
    before, _, after = context.flag.partition("{")
    after = after.partition("}")[2]
    return re.findall(rf"\b{re.escape(before)}[\w<>$]+?{re.escape(after)}=([^\s/;|]*)", text) if context.flag else []


def _curls(block: Block) -> Iterator[tuple[Instruction, ShellCommand, tuple[str, ...]]]:
    """Every request by curl, with curl's arguments."""
    for each in block:
        for command in commands_in(each.text):
            arguments = command.arguments_of("curl")
            if arguments is not None and any(_URL.match(argument) for argument in arguments):
                yield each, command, arguments


def _curl_options(arguments: tuple[str, ...]) -> frozenset[str]:
    return options_of(arguments, valued=_CURL_VALUED)


def _method(arguments: tuple[str, ...]) -> str:
    for place, argument in enumerate(arguments):
        named = _METHOD.match(argument)
        if named:
            return (named["method"] or "".join(arguments[place + 1 : place + 2])).upper()
    return "POST" if _curl_options(arguments) & _SENDS else "GET"


def _asks_webhook(arguments: tuple[str, ...], context: Context) -> bool:
    if not context.webhook:
        return False
    before, _, after = context.webhook.partition("{integration}")
    path = re.compile(re.escape(before) + r"[^/?\s]+" + re.escape(after.partition("{")[0]))
    return any(_URL.match(argument) and path.search(argument) for argument in arguments)


def clean_leaves_younger_tables(block: Block, context: Context) -> Iterator[Instruction]:
    """A dump or a restore with `--clean`, unless the block creates the database anew."""
    created = False
    for each in block:
        created = created or bool(_CREATES.search(each.text))
        for command in commands_in(each.text):
            arguments = command.arguments_of("pg_dump") or command.arguments_of("pg_restore") or ()
            options = options_of(arguments, valued=_PG_VALUED)
            if options & {"-c", "--clean"} and not options & {"-C", "--create"} and not created:
                yield each


def dropdb_while_connected(block: Block, context: Context) -> Iterator[Instruction]:
    """Dropping a database, unless by force or after the last command for the gateway has stopped it."""
    stopped = False
    for each in (*context.above, *block):
        said = _stopped(each.text, context)
        stopped = stopped if said is None else said
        if not stopped and each in block and _drops(each.text):
            yield each


def _drops(text: str) -> bool:
    for command in commands_in(text):
        arguments = command.arguments_of("dropdb")
        if arguments and not options_of(arguments) & {"-f", "--force"}:
            return True
    return bool(_DROPS.search(text))


def _stopped(text: str, context: Context) -> bool | None:
    """Whether a command stops the gateway (True) or starts it (False); None if it does neither."""
    named = rf"\s{re.escape(context.gateway)}(\s|$)"
    if _STOPS_ALL.search(text) or re.search(rf"\bstop\b.*{named}", text):
        return True
    if _STARTS_ALL.search(text) or re.search(rf"\b(up|start|restart)\b.*{named}", text):
        return False
    return None


def checkout_not_checked(block: Block, context: Context) -> Iterator[Instruction]:
    """A checkout of a release, followed by commands that run even if it has failed."""
    strict = False
    for each in (*context.above, *block):
        strict = (strict or bool(_STRICT.search(each.text))) and not _LAX.search(each.text)
        if strict or each not in block:
            continue
        commands = list(commands_in(each.text))
        for place, command in enumerate(commands):
            last = place + 1 == len(commands) and each == block[-1]
            if _checks_out(command) and command.after not in {"&&", "||"} and not last:
                yield each


def _checks_out(command: ShellCommand) -> bool:
    """Whether it checks out a commit: no files, and no new branch."""
    arguments = command.arguments_of("git") or ()
    for verb in ("checkout", "switch"):
        if verb in arguments and command.words[0] != "if":
            given = arguments[arguments.index(verb) + 1 :]
            makes = options_of(given) & {"-b", "-B", "-c", "-C", "--create", "--orphan"}
            return bool(given) and "--" not in given and given not in {("-",), (".",)} and not makes
    return False


def placeholder_redirects(block: Block, context: Context) -> Iterator[Instruction]:
    """Angle brackets around a word, outside quotation marks and here-documents (`<<END`)."""
    end = ""
    for each in block:
        if end:
            end = "" if each.text == end else end
            continue
        fed = _HERE_DOCUMENT.search(each.text)
        end = fed["end"] if fed else ""
        if not _PROSE.match(each.text) and _PLACEHOLDER.search(_QUOTED.sub("''", each.text)):
            yield each
