"""The settings of a domain for people: as text, with the ways in which programs find them by themselves."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.smtp.address import Address
from twisted_mail.web.layout import document, table
from twisted_mail.web.services import MailServer, Services

_FIRST_STEPS = (
    ("Thunderbird", "Choose New Account, Email. Enter your name, your address and your password; it finds the rest."),
    ("Outlook", "Choose File, Add Account, and enter your address. Where it asks for the kind of account, choose POP."),
    ("Other programs", "Choose POP3 where you are asked, and enter what stands above."),
)


@dataclass(frozen=True, slots=True)
class HelpPage:
    domain: str
    address: Address | None
    """Who reads it, where that is known."""
    services: Services
    path: str
    """Of this page, with its query: the profile and its code are beside it."""

    def document(self) -> bytes:
        user = str(self.address) if self.address else f"your full address, as in name@{self.domain}"
        incoming, outgoing = self.services.pop3, self.services.submission
        return document(
            f"Mail settings for {self.address or self.domain}",
            tags.p("The user name is ", tags.strong(user), ". The password is that of your mail account."),
            tags.h2("Incoming mail (POP3)"),
            table(_settings(incoming[0], user)),
            _others(incoming[1:]),
            tags.h2("Outgoing mail (SMTP)"),
            table(_settings(outgoing[0], user)),
            _others(outgoing[1:]),
            *[(tags.h2(program), tags.p(text)) for program, text in _FIRST_STEPS],
            *self._apple(),
            "" if self.address else address_form(f"For links with your address in them, enter it (@{self.domain})"),
        )

    def _apple(self) -> list[Tag]:
        folder, mark, query = self.path.partition("?")
        picture = tags.img(src=f"{folder}code.svg{mark}{query}", alt="QR code with the address of the profile")
        return [
            tags.h2("iPhone, iPad and Mac"),
            tags.p(
                tags.a("Install the profile", href=f"{folder}mail.mobileconfig{mark}{query}"),
                " or read this code with the camera. The device asks for your password; it is not in the profile.",
            ),
            tags.p(picture(class_="code")),
        ]


def address_form(label: str) -> Tag:
    """Leads to the page for an address."""
    field = tags.input(type="email", name="emailaddress", id="emailaddress", autocomplete="email", required="required")
    return tags.form(
        tags.label(label, for_="emailaddress"),
        tags.div(field, tags.button("Show the settings", type="submit"), class_="fields"),
        action="/help/",
        method="get",
    )


def _settings(server: MailServer, user: str) -> list[tuple[str, Flattenable]]:
    return [
        ("Server", tags.code(server.hostname)),
        ("Port", tags.code(str(server.port))),
        ("Security", server.encryption.value),
        ("User name", user),
        ("Authentication", "Normal password"),
    ]


def _others(servers: tuple[MailServer, ...]) -> Flattenable:
    if not servers:
        return ""
    ports = ", ".join(f"port {server.port} ({server.encryption.value})" for server in servers)
    return tags.p(f"Also possible: {ports}.", class_="faint")
