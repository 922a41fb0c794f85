"""A mail program as a value: the ports that it looks for, what it says there, and whom it trusts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Access:
    """A way to reach a service."""

    service: str
    """Of [listen]."""
    security: str
    """`STARTTLS` or `SSL/TLS`."""


@dataclass(frozen=True, slots=True)
class Need:
    """A word of the server's offer (EHLO, CAPA) without which the program does not go on."""

    word: str
    parameter: str
    """Empty: the word alone."""
    remedy: str

    def is_met_by(self, offer: Sequence[str]) -> bool:
        """*offer*: the lines, without SMTP's reply codes."""
        offered = [line.upper().split() for line in offer if line]
        return any(words[0] == self.word and (not self.parameter or self.parameter in words[1:]) for words in offered)


@dataclass(frozen=True, slots=True)
class Step:
    """One line that the program sends."""

    expected: str
    """What the reply begins with; empty: the program goes on with any."""
    line: str
    """With {address}, {user64}, {plain64}, {password}, {password64}, {size} and {message} to be filled in."""
    called: str = ""
    """What a person calls it, where the line does not begin with a command."""
    is_multiline: bool = False
    """A POP3 reply with lines up to a dot."""
    needs: Sequence[Need] = ()
    """Of the offer that this very line asks for."""


@dataclass(frozen=True, slots=True)
class Script:
    """One session."""

    access: Sequence[Access]
    """In the order in which the program tries them."""
    before_tls: Sequence[Step]
    """Where it uses STARTTLS; the last step asks for TLS."""
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class TrustRules:
    """What it wants of a certificate beyond what all want: a known authority, the host name among the names, today."""

    most_days: int | None = None
    """From beginning to end."""
    needs_server_auth: bool = False
    """The extended key usage for servers (RFC 5280 §4.2.1.12)."""
    least_rsa_bits: int = 1024
    remedy: str = ""
    """How its user makes it take a certificate that it does not trust."""


@dataclass(frozen=True, slots=True)
class MailProgram:
    """A row of the table."""

    title: str
    source: str
    """Where the scripts come from."""
    sending: Script
    fetching: Script
    trust: TrustRules
