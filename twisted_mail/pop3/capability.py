"""What CAPA announces (RFC 2449 §5): one table, true for the state in which it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted_mail.mechanisms import offered
from twisted_mail.pop3.command import State
from twisted_mail.pop3.terms import TermsRange


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a session needs to know about its server."""

    hostname: str
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    """SASL mechanisms that are offered, of those in mechanisms.MECHANISMS."""
    tls_available: bool = False
    """STLS is offered while TLS is not up."""
    plaintext_auth: bool = False
    """Passwords are taken without TLS too."""
    implementation: str = "Twisted-Mail"
    """What CAPA says after IMPLEMENTATION; one word."""
    language: str = "en"
    """What LANG * chooses; one of translations.LANGUAGES."""
    max_errors: int = 20
    """Errors after which the session ends."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a capability may depend on."""

    options: SessionOptions
    state: State
    tls: bool
    terms: TermsRange
    """Of all accounts before the login, of one after it."""

    @property
    def may_log_in(self) -> bool:
        """A password may be sent now."""
        return self.state is State.AUTHORIZATION and (self.tls or self.options.plaintext_auth)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Of SASL, that can be used now."""
        return offered(self.options.mechanisms, tls=self.tls) if self.may_log_in else ()

    @property
    def may_start_tls(self) -> bool:
        return self.state is State.AUTHORIZATION and self.options.tls_available and not self.tls


@dataclass(frozen=True, slots=True)
class Capability:
    """A row of CAPA's table."""

    word: str
    source: str
    offered: Callable[[Standing], bool] = lambda standing: True
    arguments: Callable[[Standing], str] = lambda standing: ""


CAPABILITIES = (
    Capability("TOP", "RFC 2449 §6.1"),
    Capability("UIDL", "RFC 2449 §6.8"),
    Capability("RESP-CODES", "RFC 2449 §6.4"),
    Capability("AUTH-RESP-CODE", "RFC 3206 §5"),
    Capability("PIPELINING", "RFC 2449 §6.6"),
    Capability("STLS", "RFC 2595 §4", lambda standing: standing.may_start_tls),
    Capability("USER", "RFC 2449 §6.2", lambda standing: standing.may_log_in),
    Capability(
        "SASL",
        "RFC 5034 §3",
        lambda standing: bool(standing.mechanisms),
        lambda standing: " ".join(standing.mechanisms),
    ),
    Capability("EXPIRE", "RFC 2449 §6.7", arguments=lambda standing: standing.terms.expire),
    Capability("LOGIN-DELAY", "RFC 2449 §6.5", arguments=lambda standing: standing.terms.login_delay),
    Capability("UTF8", "RFC 6856 §2", arguments=lambda standing: "USER"),
    Capability("LANG", "RFC 6856 §3"),
    Capability("IMPLEMENTATION", "RFC 2449 §6.9", arguments=lambda standing: standing.options.implementation),
)


def capability_lines(standing: Standing) -> bytes:
    """The body of CAPA's reply, without its terminator."""
    return "".join(
        f"{row.word} {row.arguments(standing)}".rstrip() + "\r\n" for row in CAPABILITIES if row.offered(standing)
    ).encode("ascii")
