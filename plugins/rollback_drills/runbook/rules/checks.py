"""Rules about checks: what they see, and whether they can fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rollback_drills.runbook.calls import Call
from rollback_drills.runbook.context import Context
from rollback_drills.runbook.flow import Flow
from rollback_drills.runbook.instruction import Instruction, at
from rollback_drills.runbook.options import Options, read_options

_URL = re.compile(
    r"^(https?://|localhost\b|127\.0\.0\.1\b|\[::1\]|\$\{?\w+\}?[:/]|\$\{?\w*URL\w*\}?$|<[^>]+>[:/])", re.I
)
_CURL = (
    "AbcCdDeEFHhKmoPQrtTuUwxXyYz",
    "request header data data-raw data-binary data-ascii data-urlencode json form output write-out max-time retry "
    "retry-delay retry-max-time connect-timeout user user-agent cookie cookie-jar resolve cacert cert key proxy "
    "upload-file dump-header url unix-socket",
)
_WGET = (
    "OoaPtTwQUeAR",
    "output-document timeout tries post-data post-file header method body-data waitretry user password",
)
_FAILS = ("-f", "--fail", "--fail-with-body")
_SHOWS = (
    "-i",
    "--include",
    "--show-headers",
    "-I",
    "--head",
    "-D",
    "--dump-header",
    "-v",
    "--verbose",
    "-w",
    "--write-out",
)
_SENDS = (
    *(
        "-d",
        "--data",
        "--data-ascii",
        "--data-binary",
        "--data-raw",
        "--data-urlencode",
        "--json",
        "-F",
        "--form",
        "-T",
    ),
    *("--upload-file", "--post-data", "--post-file", "--body-data"),
)
_CHECKED = re.compile(
    r"(^|[/._-])(health\w*|ready\w*|readiness|live(z|ness)?|status|ping|version|alive|up|heartbeat)([/?.]|$)",
    re.IGNORECASE,
)
_PATH = re.compile(r"^(https?://)?[^/]*(?P<path>/.*)?$")
_IGNORED = re.compile(r"^(true|:)$")
_OFF = re.compile(r"[\"']?(false|off|0|no|disabled)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WebRequest:
    """An HTTP request by curl or wget. ``fails``: whether it fails on the status of an error."""

    url: str
    method: str
    options: Options
    fails: bool


def request_of(call: Call) -> WebRequest | None:
    """The request that a call makes; None if it makes none."""
    if call.program == "curl":
        options = read_options(call.arguments, *_CURL)
        fails = options.has(*_FAILS)
    elif call.program == "wget":
        options, fails = read_options(call.arguments, *_WGET), True
    else:
        return None
    urls = [*options.all_of("--url"), *(each for each in options.operands if _URL.match(each))]
    if not urls or options.has("-K", "--config", "--help"):
        return None
    named = options.value("-X", "--request", "--method")
    head = options.has("-I", "--head")
    default = "POST" if options.has(*_SENDS) and not options.has("-G", "--get") else "HEAD" if head else "GET"
    return WebRequest(urls[0], (named or default).upper(), options, fails)


def _reads(request: WebRequest) -> bool:
    return request.method in {"GET", "HEAD"}


def check_ignores_status(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A request whose status is neither shown nor used."""
    for call in flow.calls:
        request = request_of(call)
        if request is None or not _reads(request) or not _checks(call, request, context):
            continue
        if call.command.tested in {"until", "while", "!"}:
            continue
        if request.fails:
            if _masked(call) and not call.command.feeds and not call.command.substituted:
                yield at(call)
        elif not _sees_status(call, request):
            yield at(call)


def _checks(call: Call, request: WebRequest, context: Context) -> bool:
    """Whether a request is a check of the gateway: of its health or a webhook, or one whose answer is thrown away."""
    path = _PATH.match(request.url)
    asked = (path["path"] or "/") if path is not None else ""
    thrown = any(each.target == "/dev/null" and each.descriptor != "2" for each in call.command.redirections)
    unread = thrown or "/dev/null" in request.options.all_of("-o", "--output", "-O", "--output-document")
    return asked == "/" or unread or bool(_CHECKED.search(asked)) or _asks_webhook(request, context)


def _masked(call: Call) -> bool:
    return call.command.after == "||" and bool(_IGNORED.match(call.command.otherwise.strip()))


def _sees_status(call: Call, request: WebRequest) -> bool:
    command = call.command
    if request.options.has(*_SHOWS) or command.substituted:
        return True
    feeds = command.feeds
    if feeds and not _only_formats(feeds):
        return True
    output = request.options.all_of("-o", "--output", "-O", "--output-document")
    named = request.options.has("-O", "--remote-name") and call.program == "curl"
    written = [each.target for each in command.redirections if each.operator.startswith(">") and each.descriptor != "2"]
    saved = [name for name in (*output, *written) if name not in {"/dev/null", "-", "/dev/stdout", "&1"}]
    return bool(saved) or named


def _only_formats(words: tuple[str, ...]) -> bool:
    """Whether a program prints whatever it is given, and succeeds: `jq .` does."""
    program = words[0].rpartition("/")[2]
    if program == "jq":
        rest = [word for word in words[1:] if word not in {"-C", "-M", "-S", "-r", "--color-output", "."}]
        return not rest
    return program == "cat"


def flag_checked_by_get(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A webhook that is asked by GET, which is refused whether the flag is on or off."""
    if context.method.upper() == "GET":
        return
    for call in flow.calls:
        request = request_of(call)
        if request is not None and _asks_webhook(request, context) and _reads(request):
            yield at(call)


def flag_check_fails_when_off(flow: Flow, context: Context) -> Iterator[Instruction]:
    """`curl -f` after the section has turned a flag off: it fails on the expected 503."""
    off = False
    for call in flow.calls:
        values = _flag_values(call.text, context)
        off = bool(_OFF.match(values[-1])) if values else off
        request = request_of(call)
        if request is None or not off or not request.fails or call.command.tested or call.command.after == "||":
            continue
        if _asks_webhook(request, context) and not _reads(request):
            yield at(call)


def _flag_values(text: str, context: Context) -> list[str]:
    """The values after `FLAG=`; in a `sed`, the last one is the result."""
    if context.flag:
        before, _, after = context.flag.partition("{")
        name = rf"\b{re.escape(before)}[\w<>$]+?{re.escape(after.partition('}')[2])}"
    else:
        name = r"\b\w+_ENABLED"
    return re.findall(rf"{name}=([^\s/;|]*)", text)


def _asks_webhook(request: WebRequest, context: Context) -> bool:
    if not context.webhook:
        return False
    before, _, after = context.webhook.partition("{integration}")
    path = re.compile(re.escape(before) + r"(<[^>]+>|[^/?\s]+)" + re.escape(after.partition("{")[0]))
    return bool(path.search(request.url))


_INTERACTIVE = {"nano", "vi", "vim", "nvim", "emacs", "less", "more", "top", "htop", "watch", "visudo", "crontab"}


def waits_for_a_person(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A program in the middle of a block that reads the terminal, or does not end: the lines below go astray."""
    for call in flow.calls:
        later = [each for each in flow.later(call) if each.command != call.command and each.words]
        redirected = call.command.redirections or call.command.fed_by or call.command.feeds or call.command.substituted
        if not later or redirected or call.command.function:
            continue
        typed = call.program == "psql" and any(block.sql for block in flow.blocks if block.fence.number == call.fence)
        why = "" if typed else _never_ends(call) or _reads_terminal(call)
        if why:
            yield at(call, why)


def _never_ends(call: Call) -> str:
    arguments = call.arguments
    compose = call.compose
    follows = "-f" in arguments or "--follow" in arguments
    if compose is not None:
        if compose.verb == "logs":
            short = any(re.fullmatch(r"-[a-zA-Z]*f[a-zA-Z]*", word) for word in compose.options.given)
            return "it does not end" if short or compose.options.has("--follow") else ""
        attached = compose.verb == "up" and not compose.options.has("-d", "--detach", "--wait", "--no-start")
        return "it does not end without -d" if attached else ""
    if call.program in {"docker", "kubectl"}:
        return "it does not end" if "logs" in arguments[:1] and follows else ""
    if call.program == "journalctl":
        return "it does not end" if follows or "-fu" in arguments else ""
    if call.program == "tail":
        return "it does not end" if {"-f", "-F"} & set(arguments) or "--follow" in arguments else ""
    return ""


def _reads_terminal(call: Call) -> str:
    program, arguments = call.program, call.arguments
    if program in _INTERACTIVE and "-l" not in arguments:
        return "" if call.command.words[:1] == ("watch",) and program != "watch" else "it takes over the terminal"
    if program == "psql":
        options = read_options(arguments, "dhpUvfcLoFPRT", "dbname host port username set variable file command output")
        asked = options.has("-c", "--command", "-f", "--file", "-l", "--list", "--version", "-V", "--help")
        return "" if asked else "psql waits for statements; the lines below are typed into it"
    shells = {"bash", "sh", "zsh", "ash", "python", "python3"}
    if program in shells and not [word for word in arguments if word not in {"-l", "-i", "--login"}]:
        return f"{program} waits for commands; the lines below are typed into it"
    if program == "ssh" and len(read_options(arguments, "bcDEeFIiJLlmOopQRSWw", stop=True).operands) == 1:
        return "" if {"-N", "-f", "-fN", "-Nf"} & set(arguments) else "the lines below are typed into the other machine"
    return ""
