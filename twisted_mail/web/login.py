"""Logging in at the page, and out: with the passwords, the throttle and the log of all other logins."""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from dataclasses import dataclass

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.logger import Logger
from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.affairs import IOwnAffairs
from twisted_mail.interfaces import AccountDisabled, LoginUnavailable, PasswordLogin
from twisted_mail.protocols.http import WebRequest
from twisted_mail.protocols.login import log_in
from twisted_mail.smtp.envelope import Origin, TLSInfo
from twisted_mail.web.assets import style_link
from twisted_mail.web.forms import hidden, labelled, submit
from twisted_mail.web.gate import LOGIN, TOKEN, field, redirect
from twisted_mail.web.layout import document
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session, Sessions, cookie, set_cookie

HOME, ADMINISTRATION = "/account", "/admin"
"""Where somebody comes first who has logged in, and an administrator."""
_FORM_COOKIE = "twisted-mail-login"
_OWN_PATH = re.compile(r"/(admin|account)(/[A-Za-z0-9@._/+-]*)?")

_WRONG = "The name or the password is wrong."
_DISABLED = "This account is switched off. Ask your administrator."
_UNAVAILABLE = "Too many logins have failed. Try again in a minute."
_STALE = "The form was too old. Please try once more."
_NO_TLS = "Passwords are not taken over a connection that others can read"


@dataclass(frozen=True, slots=True)
class LoginPage:
    """The views of LOGIN."""

    portal: Portal
    sessions: Sessions
    https: str = ""
    """Where our own https listener is; empty: there is none that others could reach."""
    allow_plaintext: bool = False
    """Passwords may go over the net in the clear."""

    log = Logger()

    async def show(self, request: WebRequest) -> Answer:
        session = self.sessions.find(request)
        return redirect(_home(session)) if session is not None else self._form(request)

    async def take(self, request: WebRequest) -> Answer:
        """The form was sent."""
        token = cookie(request, _FORM_COOKIE)
        if not token or not hmac.compare_digest(token.encode(), field(request, TOKEN).encode()):
            return self._form(request, _STALE, 403)
        if not self._is_private(request):
            return self._form(request)
        user, origin = field(request, "user").strip(), _origin(request)
        try:
            login = PasswordLogin(user, field(request, "password"), origin)
            person, log_out = await log_in(self.portal, login, origin, IOwnAffairs)
        except (UnauthorizedLogin, LoginUnavailable) as error:
            return self._refused(request, user, origin, error)
        session = self.sessions.begin(request, person, log_out)
        self._note("web login {user} from {peer}", "login.accepted", origin, str(person.account))
        wanted = field(request, "next")
        return redirect(wanted if _OWN_PATH.fullmatch(wanted) else _home(session))

    async def leave(self, request: WebRequest, session: Session) -> Answer:
        """The form that logs out was sent."""
        self.sessions.end(request)
        set_cookie(request, "twisted-mail", "")
        return redirect(LOGIN)

    def _refused(self, request: WebRequest, user: str, origin: Origin, error: Exception) -> Answer:
        text, code = _WRONG, 403
        if isinstance(error, AccountDisabled):
            text = _DISABLED
        elif isinstance(error, LoginUnavailable):
            text, code = _UNAVAILABLE, 503
        words = "web login of {user} from {peer} refused: {reply}"
        self._note(words, "login.refused", origin, user[:320], reply=text, cause=str(error))
        return self._form(request, text, code)

    def _note(self, text: str, event: str, origin: Origin, user: str, **fields: object) -> None:
        tls = origin.tls.version if origin.tls is not None else ""
        known = {"session": origin.session, "service": "web", "peer": origin.peer, "user": user, "tls": tls}
        self.log.info(text, event=event, **known, **fields)

    def _form(self, request: WebRequest, wrong: str = "", code: int = 200) -> Answer:
        if not self._is_private(request):
            return Answer(document("Log in", *self._no_login()), code=403)
        token = secrets.token_urlsafe(24)
        set_cookie(request, _FORM_COOKIE, token)
        user = tags.input(name="user", autocomplete="username", autocapitalize="none", required="required")
        password = tags.input(name="password", type="password", autocomplete="current-password", required="required")
        form = tags.form(
            hidden(TOKEN, token),
            hidden("next", field(request, "next")),
            labelled("Your address", user(value=field(request, "user"), spellcheck="false")),
            labelled("Password", password),
            submit("Log in"),
            method="post",
            action=LOGIN,
            class_="stacked",
        )
        about = tags.p(
            "With your mail address and its password. App passwords are for mail programs only.", class_="faint"
        )
        return Answer(document("Log in", _message(wrong), form, about, head=style_link()), code=code)

    def _is_private(self, request: WebRequest) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self.allow_plaintext or request.isSecure() or _is_loopback(request.client_host)

    def _no_login(self) -> list[Flattenable]:
        if not self.https:
            return [tags.p(f"{_NO_TLS}. The administrator can set up https in [listen].")]
        return [tags.p(f"{_NO_TLS}: "), tags.p(tags.a("log in over https", href=self.https + LOGIN), ".")]


def _home(session: Session) -> str:
    return HOME if session.administration is None else ADMINISTRATION


def _message(wrong: str) -> Tag | str:
    return tags.p(wrong, class_="wrong", role="alert") if wrong else ""


def _origin(request: WebRequest) -> Origin:
    tls = TLSInfo("TLS", "") if request.isSecure() else None
    return Origin(request.client_host, secrets.token_hex(6), protocol="HTTP", tls=tls)


def _is_loopback(host: str) -> bool:
    """A unix socket has no address."""
    try:
        return not host or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
