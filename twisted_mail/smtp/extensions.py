"""What EHLO and LHLO advertise (RFC 5321 §2.2): one table, each row with its RFC and the dialogue that proves it.

A row also holds what the word brings with it: parameters of MAIL and RCPT, and how much longer their lines may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from twisted_mail.sasl import MAX_RESPONSE
from twisted_mail.smtp import parameters
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.parameters import Parameter
from twisted_mail.smtp.reply import Reply

COMMAND_LIMIT = 512
"""Octets of a command line with its line end (RFC 5321 §4.5.3.1.4), before extensions lengthen it."""


def _always(options: SessionOptions, tls: bool) -> bool:
    return True


def _nothing(options: SessionOptions) -> str:
    return ""


def _offers_auth(options: SessionOptions, tls: bool) -> bool:
    return bool(options.mechanisms) and (tls or options.plaintext_auth)


@dataclass(frozen=True, slots=True)
class Extension:
    """One EHLO word.  *offered* is asked with the options and whether TLS is up; *value* is what stands behind it."""

    keyword: str
    rfc: int
    proof: str
    """The dialogue under tests/dialogs/smtp that shows the word to be true."""
    offered: Callable[[SessionOptions, bool], bool] = _always
    value: Callable[[SessionOptions], str] = _nothing
    mail: tuple[Parameter, ...] = ()
    rcpt: tuple[Parameter, ...] = ()
    mail_octets: int = 0
    """How much longer a MAIL line may be."""
    rcpt_octets: int = 0
    """How much longer a RCPT line may be."""


EXTENSIONS = (
    Extension("PIPELINING", 2920, "pipelining"),
    Extension("SIZE", 1870, "size", value=lambda o: str(o.max_size), mail=(parameters.SIZE,), mail_octets=26),
    Extension("8BITMIME", 6152, "8bitmime", mail=(parameters.BODY,), mail_octets=17),
    Extension("SMTPUTF8", 6531, "smtputf8", mail=(parameters.SMTPUTF8,), mail_octets=10),
    Extension("ENHANCEDSTATUSCODES", 2034, "enhanced-status-codes"),
    Extension("STARTTLS", 3207, "starttls", offered=lambda o, tls: o.tls_available and not tls),
    Extension(
        "AUTH",
        4954,
        "auth-plain",
        offered=_offers_auth,
        value=lambda o: " ".join(o.mechanisms),
        mail=(parameters.AUTH,),
        mail_octets=500,
    ),
    Extension("CHUNKING", 3030, "chunking", offered=lambda o, tls: o.chunking),
    Extension("HELP", 5321, "help"),
)
"""In the order in which they are advertised."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a session offers just now."""

    hello: bytes
    """The reply to EHLO."""
    mail: Mapping[str, Parameter]
    rcpt: Mapping[str, Parameter]
    mail_limit: int
    """Octets of a MAIL line with its line end."""
    rcpt_limit: int
    line_limit: int
    """Octets of the longest line of any command."""
    auth: bool
    """AUTH is offered."""


@lru_cache(maxsize=64)
def offer(options: SessionOptions, tls: bool) -> Offer:
    """What to offer with these *options* while TLS is up or not."""
    rows = [row for row in EXTENSIONS if row.offered(options, tls)]
    words = [f"{row.keyword} {row.value(options)}".rstrip() for row in rows]
    mail_limit = COMMAND_LIMIT + sum(row.mail_octets for row in rows)
    return Offer(
        hello=Reply(250, "", "\n".join((options.hostname, *words))).encode(),
        mail={parameter.keyword: parameter for row in rows for parameter in row.mail},
        rcpt={parameter.keyword: parameter for row in rows for parameter in row.rcpt},
        mail_limit=mail_limit,
        rcpt_limit=COMMAND_LIMIT + sum(row.rcpt_octets for row in rows),
        line_limit=MAX_RESPONSE if options.mechanisms else mail_limit,
        auth=_offers_auth(options, tls),
    )
