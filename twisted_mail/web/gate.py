"""Which pages are for whom: those behind the gate get the session of who asks, and forms that are really theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from twisted.logger import Logger

from twisted_mail.affairs import IAdministration, RefusedChange
from twisted_mail.interfaces import LoginUnavailable
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.pages import Answer, Page, View, words
from twisted_mail.web.sessions import Session, Sessions

LOGIN = "/login"
TOKEN = "token"
"""The field of each form that says that it is ours."""

_TOLD = ("do", "address", "alias", "targets", "owner", "name", "session")
"""Fields that stand in the log."""

SessionView = Callable[[WebRequest, Session], Awaitable[Answer]]
AdministrationView = Callable[[WebRequest, Session, IAdministration], Awaitable[Answer]]
AdministrationAction = Callable[[WebRequest, IAdministration], Awaitable[str]]
"""Does what a form asks for, and returns what to tell.  Raises RefusedChange."""

_NOT_OURS = words(403, "This form is not from your session. Go back, load the page again, and send it once more.")
_ONLY_ADMINISTRATORS = words(
    403, "This is for administrators. One is made by: mailserver account set ADDRESS admin=true; then log in again."
)


class Gate:
    """Makes pages that need a login."""

    log = Logger()

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def page(self, get: SessionView, post: SessionView | None = None) -> Page:
        """For everybody who is logged in."""
        return Page(get=self._shown(get), post=self._sent(post) if post is not None else None)

    def administration(self, get: AdministrationView, post: AdministrationView | None = None) -> Page:
        """For administrators."""
        return self.page(_for_administrators(get), _for_administrators(post) if post is not None else None)

    def _shown(self, view: SessionView) -> View:
        async def show(request: WebRequest) -> Answer:
            session = self._sessions.find(request, by_itself=request.is_refresh)
            return await view(request, session) if session is not None else _to_login(request)

        return show

    def _sent(self, view: SessionView) -> View:
        async def take(request: WebRequest) -> Answer:
            session = self._sessions.find(request)
            if session is None:
                return redirect(LOGIN)
            if not session.has_sent(field(request, TOKEN)):
                return _NOT_OURS
            self._note(request, session)
            return await view(request, session)

        return take

    def _note(self, request: WebRequest, session: Session) -> None:
        """Who asked for what: only fields that hold no secrets."""
        known = {name: text for name in _TOLD if (text := field(request, name))}
        self.log.info(
            "{user} at {peer} asked for {what} at {path}",
            event="page.asked",
            user=str(session.person.account),
            peer=request.client_host,
            path=ascii(request.path.decode("latin-1"))[1:-1],
            what=", ".join(f"{name} {ascii(text[:320])[1:-1]}" for name, text in known.items()),
        )


def _for_administrators(view: AdministrationView) -> SessionView:
    async def show(request: WebRequest, session: Session) -> Answer:
        administration = session.administration
        return await view(request, session, administration) if administration is not None else _ONLY_ADMINISTRATORS

    return show


async def told(session: Session, doing: Awaitable[str]) -> bool:
    """Have the next page say what came of it.  Whether it was done."""
    try:
        session.tell(await doing)
    except RefusedChange as error:
        session.tell(str(error), wrong=True)
    except LoginUnavailable:
        session.tell("Passwords cannot be checked just now: try again in a minute.", wrong=True)
    else:
        return True
    return False


def redirect(path: str) -> Answer:
    """Have the browser load another page, also after a form, so that nothing is sent twice."""
    return Answer(b"", code=303, headers={"Location": path})


def field(request: WebRequest, name: str) -> str:
    """What was written in a field of a form or a query; empty where it is missing."""
    values = (request.args or {}).get(name.encode(), [b""])
    return str(values[-1].decode("utf-8", "replace"))


def rest(request: WebRequest) -> str:
    """What follows the path of the page: what it is about."""
    return b"/".join(request.postpath or ()).decode("utf-8", "replace")


def _to_login(request: WebRequest) -> Answer:
    if request.is_refresh:
        return words(401, "The session is over.")
    return redirect(f"{LOGIN}?next={quote(request.path.decode('latin-1'), safe='/@')}")
