"""Somebody with a browser at the pages behind the login: cookies are kept, forms bring their tokens along."""

from __future__ import annotations

import os
import re
from html import unescape
from urllib.parse import urlencode

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web.asking import Reply, ask, site_of
from twisted_mail.administration.administrator import page_portal
from twisted_mail.administration.own import Means
from twisted_mail.auth.checker import PasswordChecker
from twisted_mail.auth.directory import ADMIN, Directory, NewAccount
from twisted_mail.auth.logins import Logins
from twisted_mail.auth.passwords import hash_password
from twisted_mail.auth.recent import KEY_SIZE, RecentLogins
from twisted_mail.auth.throttle import Throttle
from twisted_mail.auth.verifiers import verifier_of
from twisted_mail.config import Config
from twisted_mail.monitoring import Monitoring
from twisted_mail.policy.reputation import Reputation
from twisted_mail.protocols.http import WebSite
from twisted_mail.smtp.address import Address
from twisted_mail.web.console import Entrance, console
from twisted_mail.web.pages import Pages

ALICE, BOB = Address("alice", "example.org"), Address("bob", "example.org")
PASSWORD = "Correct horse, 1 battery"
HASH, VERIFIER = hash_password(PASSWORD), str(verifier_of(PASSWORD, bytes(16)))
_TOKEN = re.compile(r'name="token" value="([^"]*)"')
_NOTICE = re.compile(r'<p class="(?:done|wrong)" role="[a-z]+">(.*?)</p>')


class Visitor:
    """One browser."""

    def __init__(self, site: WebSite, peer: str = "127.0.0.1") -> None:
        self.site = site
        self.peer = peer
        self.cookies: dict[str, str] = {}
        self.token = ""

    def get(self, path: str, *headers: str) -> Reply:
        return self._kept(ask(self.site, f"GET {path}", headers=[*self._headers(), *headers], peer=self.peer))

    def send(self, path: str, **fields: str) -> Reply:
        """A form, with the token of the last page unless *fields* have another."""
        body = urlencode({"token": self.token, **fields}).encode()
        headers = [*self._headers(), "Content-Type: application/x-www-form-urlencoded"]
        return self._kept(ask(self.site, f"POST {path}", body, headers=headers, peer=self.peer))

    def do(self, page: str, do: str, **fields: str) -> str:
        """Load *page*, send its form to *do* something; what the next page tells."""
        self.get(page)
        there = self.send(page, do=do, **fields)
        assert there.status == 303, there
        return unescape(" ".join(_NOTICE.findall(self.get(there.headers["Location"]).text)))

    def log_in(self, user: object, password: str = PASSWORD, **fields: str) -> Reply:
        self.get("/login")
        return self.send("/login", user=str(user), password=password, **fields)

    def _headers(self) -> list[str]:
        return [f"Cookie: {'; '.join(f'{name}={value}' for name, value in self.cookies.items())}"] * bool(self.cookies)

    def _kept(self, reply: Reply) -> Reply:
        for cookie in reply.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        if found := _TOKEN.search(reply.text):
            self.token = found[1]
        return reply


def at_once(call: object) -> Deferred[object]:
    """In the place of a thread."""
    return execute(call)  # type: ignore[arg-type]


class VisitorTestCase(SynchronousTestCase):
    """A directory with an administrator, alice, and a user, bob."""

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.config = Config(hostname="mail.example.org", data=self.folder, file="mailserver.toml")
        self.directory = Directory(self.config.directory_file)
        self.addCleanup(self.directory.close)
        self.directory.add_domain("example.org")
        self.directory.add_accounts(NewAccount(each, HASH, VERIFIER) for each in (ALICE, BOB))
        self.directory.set_attributes(ALICE, {ADMIN: "true"})
        self.clock = Clock()
        logins = Logins(self.directory, self.clock, Throttle())
        checker = PasswordChecker(self.directory, at_once, logins, RecentLogins(self.clock, bytes(KEY_SIZE)))
        reputation = Reputation(self.config.reputation_file, self.config.hostname, self.clock.seconds)
        self.means = Means(self.config, self.directory, checker, reputation, at_once, at_once, self.clock)
        self.monitoring = Monitoring(self.config, lambda: 0, at_once, self.clock)
        self.site = self.new_site()

    def new_site(self, https: str = "", *, allow_plaintext: bool = False) -> WebSite:
        entrance = Entrance(page_portal(self.means, self.monitoring), https, allow_plaintext)
        return site_of(Pages(console(entrance, self.clock)))

    def visitor(self, user: Address | None = None) -> Visitor:
        """Who is logged in as *user*, if any."""
        visitor = Visitor(self.site)
        if user is not None:
            assert visitor.log_in(user).status == 303
        return visitor
