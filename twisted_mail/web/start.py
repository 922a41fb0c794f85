"""What stands at `/`: whose server this is, and the way to the settings.  In demo mode, all that there is to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.help import address_form
from twisted_mail.web.layout import document, table
from twisted_mail.web.pages import Answer
from twisted_mail.web.services import MailServer, Services


@dataclass(frozen=True, slots=True)
class Demo:
    """What demo mode has beside the services."""

    account: str
    data: str
    smtp: tuple[int, ...]
    """Ports for programs under test: no login."""


@dataclass(frozen=True, slots=True)
class StartPage:
    services: Services
    demo: Demo | None = None
    links: Sequence[tuple[str, str]] = ()
    """Path and text of other pages that people may want."""

    async def show(self, request: WebRequest) -> Answer:
        if self.demo is not None:
            return Answer(document("Twisted Mail, demo mode", *self._trying(self.demo), *self._more()))
        return Answer(
            document(
                f"Mail server {self.services.hostname}",
                address_form("Your address, for the settings of your mail program"),
                *self._more(),
            )
        )

    def _trying(self, demo: Demo) -> list[Flattenable]:
        domain = demo.account.rpartition("@")[2]
        tests = ", ".join(f"port {port}" for port in demo.smtp)
        rows: list[tuple[str, Flattenable]] = [
            ("Address", tags.code(demo.account)),
            ("Password", "as the terminal showed it at the first start, or as the log says"),
            ("A new password", tags.code(f"mailserver account passwd {demo.account}")),
            ("Incoming, POP3", _ports(self.services.pop3)),
            ("Outgoing, SMTP", _ports(self.services.submission)),
            ("For programs under test", f"SMTP, {tests}, no login"),
            ("Data", tags.code(demo.data)),
        ]
        return [
            tags.p(
                "Nothing here can be reached from another machine, and no mail leaves this one: "
                f"mail to any other domain lands in the mailbox of {demo.account}."
            ),
            table(rows),
            tags.h2("What to do first"),
            tags.ol(
                tags.li("Send a message to yourself and fetch it: ", tags.code("mailserver try")),
                tags.li("Set up a mail program: ", tags.a(f"settings for {demo.account}", href=_help(demo.account))),
                tags.li("Have your own program send to ", tags.code(f"localhost, {tests}"), "."),
            ),
            tags.h2("For mail programs"),
            tags.ul(
                _link(f"/mail/config-v1.1.xml?emailaddress={demo.account}", "what Thunderbird reads"),
                _link(f"/help/{domain}/mail.mobileconfig?emailaddress={demo.account}", "the profile for Apple devices"),
            ),
        ]

    def _more(self) -> list[Flattenable]:
        if not self.links:
            return []
        return [tags.h2("More"), tags.ul(*[_link(path, text) for path, text in self.links])]


def _link(path: str, text: str) -> Tag:
    return tags.li(tags.a(text, href=path))


def _help(account: str) -> str:
    return f"/help/?emailaddress={account}"


def _ports(servers: Sequence[MailServer]) -> str:
    if not servers:
        return "nobody can log in: there is no certificate"
    ports = " or ".join(f"port {server.port} ({server.encryption.value})" for server in servers)
    return f"server {servers[0].hostname}, {ports}"
