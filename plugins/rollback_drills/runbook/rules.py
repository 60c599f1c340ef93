"""Commands of a runbook that prove nothing, stop halfway, or are not what a shell reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollback_drills.runbook.markdown import Block, Context, Instruction
from rollback_drills.runbook.shell import (
    ShellCommand,
    commands_in,
    options_of,
)

_URL = re.compile(r"^(https?://|localhost\b|127\.0\.0\.1\b|\$\{?\w+\}?(/|$))", re.IGNORECASE)
_SHOWS_STATUS = {"-f", "--fail", "--fail-with-body", "-i", "--include", "-I", "--head", "-D", "--dump-header",
                 "-v", "--verbose", "-w", "--write-out"}  # fmt: skip
_SAVES = {"-o", "--output", "-O", "--remote-name"}
_SENDS = {"-d", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--json", "-F", "--form",
          "-T", "--upload-file"}  # fmt: skip
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


def ignores_status(block: Block, context: Context) -> Iterator[Instruction]:
    """An answer is asked for, and nobody sees whether it is a good one."""
    for each, command, arguments in _curls(block):
        options = _curl_options(arguments)
        seen = options & _SHOWS_STATUS or command.substituted or command.after in {"|", "|&"}
        saved = (options & _SAVES or ">" in arguments) and "/dev/null" not in arguments
        if not seen and not saved and _method(arguments) in {"GET", "HEAD"}:
            yield each


def checks_flag_by_get(block: Block, context: Context) -> Iterator[Instruction]:
    for each, _, arguments in _curls(block):
        if _asks_webhook(arguments, context) and _method(arguments) in {"GET", "HEAD"}:
            yield each


def fails_when_off(block: Block, context: Context) -> Iterator[Instruction]:
    """Where the block has turned something off: `-f` fails on what is wanted."""
    off = False
    for each in block:
        values = _flag_values(each.text, context)
        off = bool(_OFF.match(values[-1])) if values else off
        for _, _, arguments in _curls((each,)):
            failing = _curl_options(arguments) & {"-f", "--fail", "--fail-with-body"}
            if off and failing and _asks_webhook(arguments, context) and _method(arguments) not in {"GET", "HEAD"}:
                yield each


def _flag_values(text: str, context: Context) -> list[str]:
    """What is written behind `FLAG=`; in a `sed` the last is what comes of it."""
    before, _, after = context.flag.partition("{")
    after = after.partition("}")[2]
    return re.findall(rf"\b{re.escape(before)}[\w<>$]+?{re.escape(after)}=([^\s/;|]*)", text) if context.flag else []


def _curls(block: Block) -> Iterator[tuple[Instruction, ShellCommand, tuple[str, ...]]]:
    """Every request that is made by curl, with curl's arguments."""
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


def cleans(block: Block, context: Context) -> Iterator[Instruction]:
    """Unless the database is made anew by the same commands."""
    created = False
    for each in block:
        created = created or bool(_CREATES.search(each.text))
        for command in commands_in(each.text):
            arguments = command.arguments_of("pg_dump") or command.arguments_of("pg_restore") or ()
            options = options_of(arguments, valued=_PG_VALUED)
            if options & {"-c", "--clean"} and not options & {"-C", "--create"} and not created:
                yield each


def drops_while_connected(block: Block, context: Context) -> Iterator[Instruction]:
    """Unless the sessions are ended by force, or the gateway was stopped the last time that it was named."""
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
    """Whether a command stops the gateway (True) or starts it (False); None where it does neither."""
    named = rf"\s{re.escape(context.gateway)}(\s|$)"
    if _STOPS_ALL.search(text) or re.search(rf"\bstop\b.*{named}", text):
        return True
    if _STARTS_ALL.search(text) or re.search(rf"\b(up|start|restart)\b.*{named}", text):
        return False
    return None


def goes_on_after_checkout(block: Block, context: Context) -> Iterator[Instruction]:
    """A checkout of a release, and something after it that is done whether or not it has succeeded."""
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
    """A commit, and neither files nor a branch that is made."""
    arguments = command.arguments_of("git") or ()
    for verb in ("checkout", "switch"):
        if verb in arguments and command.words[0] != "if":
            given = arguments[arguments.index(verb) + 1 :]
            makes = options_of(given) & {"-b", "-B", "-c", "-C", "--create", "--orphan"}
            return bool(given) and "--" not in given and given not in {("-",), (".",)} and not makes
    return False


def has_placeholders(block: Block, context: Context) -> Iterator[Instruction]:
    """Angle brackets around a word, outside of quotations and of what is fed to a command (`<<END`)."""
    end = ""
    for each in block:
        if end:
            end = "" if each.text == end else end
            continue
        fed = _HERE_DOCUMENT.search(each.text)
        end = fed["end"] if fed else ""
        if not _PROSE.match(each.text) and _PLACEHOLDER.search(_QUOTED.sub("''", each.text)):
            yield each
