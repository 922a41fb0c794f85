"""Who is logged in at the page: sessions in memory, each found by a random cookie.

A restart ends them all.  Each has a token of its own that its forms must bring along, so that no other site can have
them sent; the cookie is not sent along with what other sites ask for, either.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from twisted_mail.affairs import IAdministration, IOwnAffairs
from twisted_mail.protocols.http import WebRequest

COOKIE = "twisted-mail"
IDLE = 1800.0
"""Seconds without a page asked for by a person, after which a session ends."""
LONGEST = 12 * 3600.0
"""Seconds, in any case."""
MOST = 1000
"""Sessions; the oldest goes first."""


@dataclass(slots=True)
class Session:
    """One login at the page."""

    person: IOwnAffairs
    log_out: Callable[[], None]
    begun: float
    seen: float
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    notices: list[tuple[str, bool]] = field(default_factory=list)
    """What the next page says, once; whether it is something that went wrong."""

    @property
    def administration(self) -> IAdministration | None:
        return self.person if IAdministration.providedBy(self.person) else None

    def tell(self, text: str, *, wrong: bool = False) -> None:
        self.notices.append((text, wrong))

    def has_sent(self, token: str) -> bool:
        """Whether a form with this token is one of ours."""
        return hmac.compare_digest(self.form_token.encode(), token.encode())


class Sessions:
    """All of them, of this process: it alone has the web."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, request: WebRequest, person: IOwnAffairs, log_out: Callable[[], None]) -> Session:
        """A session with a new cookie, in the place of the one that the client had."""
        self.end(request)
        while len(self._sessions) >= MOST:
            self._end(next(iter(self._sessions)))
        now = self._clock.seconds()
        key = secrets.token_urlsafe(32)
        session = self._sessions[key] = Session(person, log_out, now, now)
        set_cookie(request, COOKIE, key)
        return session

    def find(self, request: WebRequest, *, by_itself: bool = False) -> Session | None:
        """That of the client, if it is still good.  *by_itself*: no person asks, so that it still may fall asleep."""
        key = cookie(request, COOKIE)
        session = self._sessions.get(key)
        if session is None:
            return None
        now = self._clock.seconds()
        if now - session.seen > IDLE or now - session.begun > LONGEST or not session.person.holds():
            self._end(key)
            return None
        if not by_itself:
            session.seen = now
        return session

    def end(self, request: WebRequest) -> None:
        """That of the client, if there is one."""
        key = cookie(request, COOKIE)
        if key in self._sessions:
            self._end(key)

    def _end(self, key: str) -> None:
        self._sessions.pop(key).log_out()


def cookie(request: WebRequest, name: str) -> str:
    """Its value; empty where the client has none."""
    value = request.getCookie(name.encode())
    return value.decode("latin-1") if value else ""


def set_cookie(request: WebRequest, name: str, value: str) -> None:
    """For this browser session only, and for no script.  An empty value removes it."""
    request.addCookie(
        name,
        value,
        path="/",
        httpOnly=True,
        secure=request.isSecure(),
        sameSite="strict",
        max_age=None if value else "0",
    )
