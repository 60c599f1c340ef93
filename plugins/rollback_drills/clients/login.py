"""Logs a client in, and again where the gateway has forgotten it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollback_drills.clients.answers import Answer, is_disabled, is_surely_disabled
from rollback_drills.clients.credentials import Credentials
from rollback_drills.clients.delivery import PreparedDelivery, body_of
from rollback_drills.core.placeholders import fill
from rollback_drills.target.target import Target

Send = Callable[[PreparedDelivery], Answer]


def credentials_of(target: Target, name: str) -> Credentials:
    """How the answer of this login is read."""
    login = target.logins[name]
    return Credentials(
        name=name,
        accepted=[*login.accepted],
        pointer=login.token,
        cookie=login.cookie or "",
        header=login.header,
        value=fill(login.value, {"token": "{token}"}),
        expired=[*login.expired],
    )


def login_request(target: Target, name: str) -> PreparedDelivery:
    """The login, as it is sent."""
    login = target.logins[name]
    headers = [*login.headers.items()]
    body, content_type = body_of(login, {})
    if content_type and "content-type" not in {header.lower() for header, _ in headers}:
        headers.append(("Content-Type", content_type))
    return PreparedDelivery(login.method, login.path, headers, body, None, None)


def records_nothing(secret: str) -> None:
    """For a client of which nothing is recorded."""


class Sessions:
    """The logins of one client.

    Args:
        send: sends a login, and never raises.
        hide: receives each token and cookie, before it is sent: it must never be recorded.
    """

    def __init__(self, target: Target, send: Send, hide: Callable[[str], None]) -> None:
        self._target, self._send, self._hide = target, send, hide
        self._headers: dict[str, tuple[str, str]] = {}

    def authorised(self, login: str | None, ask: Callable[[Mapping[str, str]], Answer], *, name: str = "") -> Answer:
        """Ask with what the login has given; once more after another login, where that is refused as expired.

        Args:
            name: of the integration or request, whose agreed answer while it is off asks for no other login.

        Returns:
            The answer. Where the login has failed, nothing was asked: its status or transport error, with an ``error``
            that begins with `credentials.FAILED`.
        """
        if login is None:
            return ask({})
        header, answer = self._headers.get(login), None
        if header is not None:
            answer = ask(dict([header]))
            off = bool(name) and is_surely_disabled(self._target, name, answer)
            if not credentials_of(self._target, login).asks_again(answer.status, deliberate=off):
                return answer
        given = self.log_in(login)
        if isinstance(given, Answer):
            return answer if answer is not None and name and is_disabled(self._target, name, answer) else given
        return ask(dict([given]))

    def renewed(self, login: str | None) -> dict[str, str]:
        """What another login gives, or the last one if it fails, for a request that cannot be sent twice."""
        if login is None:
            return {}
        given = self.log_in(login)
        header = self._headers.get(login) if isinstance(given, Answer) else given
        return dict([header]) if header is not None else {}

    def log_in(self, login: str) -> tuple[str, str] | Answer:
        """Log in anew: the header that it gives, or the answer of a login that has failed, which changes nothing."""
        answer, credentials = self._send(login_request(self._target, login)), credentials_of(self._target, login)
        header = credentials.read(answer.status, answer.text, answer.headers.get("set-cookie", ""))
        if header is None:
            problem = credentials.problem(answer.status, answer.error)
            return Answer(answer.status, None, answer.seconds, problem)
        self._hide(credentials.secret(header))
        self._headers[login] = header
        return header
