"""What EHLO and LHLO advertise (RFC 5321 §2.2): one table, each row with its RFC and the dialogue that proves it.

A row also holds what the word brings with it: parameters of MAIL and RCPT, and how much longer their lines may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from twisted_mail import mechanisms
from twisted_mail.sasl import MAX_RESPONSE
from twisted_mail.smtp import parameters
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.parameters import Parameter
from twisted_mail.smtp.reply import Reply
from twisted_mail.smtp.xclient import ATTRIBUTES

COMMAND_LIMIT = 512
"""Octets of a command line with its line end (RFC 5321 §4.5.3.1.4), before extensions lengthen it."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides over the words that a session offers."""

    options: SessionOptions
    tls: bool
    """TLS is up."""
    last_release: datetime | None = None
    """Until when a submission may be held back; None where `max_hold` is 0."""

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Of SASL, that are offered now."""
        offers_auth = self.tls or self.options.plaintext_auth
        return mechanisms.offered(self.options.mechanisms, tls=self.tls) if offers_auth else ()

    @property
    def offers_hold(self) -> bool:
        return self.options.submission and self.last_release is not None


def last_release(options: SessionOptions, now: datetime | None) -> datetime | None:
    """`max_hold` seconds from *now* (UTC), rounded down to a full hour, so that many sessions offer the same."""
    if not options.max_hold or now is None:
        return None
    return (now + timedelta(seconds=options.max_hold)).replace(minute=0, second=0, microsecond=0)


def _always(situation: Situation) -> bool:
    return True


def _in_submission(situation: Situation) -> bool:
    return situation.options.submission


def _nothing(situation: Situation) -> str:
    return ""


def _hold_limits(situation: Situation) -> str:
    """max-future-release-interval SP max-future-release-date-time (RFC 4865 §4)."""
    assert situation.last_release is not None
    return f"{situation.options.max_hold} {situation.last_release.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _limits(situation: Situation) -> str:
    """RFC 9422 §4."""
    transactions = situation.options.max_transactions
    return f"{f'MAILMAX={transactions} ' if transactions else ''}RCPTMAX={situation.options.max_recipients}"


@dataclass(frozen=True, slots=True)
class Extension:
    """One EHLO word; *value* is what stands behind it."""

    keyword: str
    rfc: int
    proof: str
    """The dialogue under tests/dialogs/smtp that shows the word to be true."""
    offered: Callable[[Situation], bool] = _always
    optional: bool = False
    """Offered only where `SessionOptions.extensions` names it."""
    value: Callable[[Situation], str] = _nothing
    mail: tuple[Parameter, ...] = ()
    rcpt: tuple[Parameter, ...] = ()
    mail_octets: int = 0
    """How much longer a MAIL line may be."""
    rcpt_octets: int = 0
    """How much longer a RCPT line may be."""

    def offered_in(self, situation: Situation) -> bool:
        return (not self.optional or self.keyword in situation.options.extensions) and self.offered(situation)


EXTENSIONS = (
    Extension("PIPELINING", 2920, "pipelining"),
    Extension("SIZE", 1870, "size", value=lambda s: str(s.options.max_size), mail=(parameters.SIZE,), mail_octets=26),
    Extension("8BITMIME", 6152, "8bitmime", mail=(parameters.BODY,), mail_octets=17),
    Extension("SMTPUTF8", 6531, "smtputf8", mail=(parameters.SMTPUTF8,), mail_octets=10),
    Extension("ENHANCEDSTATUSCODES", 2034, "enhanced-status-codes"),
    Extension("STARTTLS", 3207, "starttls", offered=lambda s: s.options.tls_available and not s.tls),
    Extension(
        "AUTH",
        4954,
        "auth-plain",
        offered=lambda s: bool(s.mechanisms),
        value=lambda s: " ".join(s.mechanisms),
        mail=(parameters.AUTH,),
        mail_octets=500,
    ),
    Extension("CHUNKING", 3030, "chunking", offered=lambda s: s.options.chunking),
    Extension(
        "BINARYMIME",
        3030,
        "binarymime",
        optional=True,
        offered=lambda s: s.options.chunking,
        mail=(parameters.ANY_BODY,),  # stands for the BODY of 8BITMIME
    ),
    Extension(
        "DSN",
        3461,
        "dsn",
        optional=True,
        mail=(parameters.RET, parameters.ENVID),
        rcpt=(parameters.NOTIFY, parameters.ORCPT),
        mail_octets=len(" RET=FULL ENVID=") + parameters.MAX_ENVID,
        rcpt_octets=len(" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=") + parameters.MAX_ORCPT,
    ),
    Extension(
        "REQUIRETLS",
        8689,
        "requiretls",
        optional=True,
        offered=lambda s: s.tls,
        mail=(parameters.REQUIRETLS,),
        mail_octets=11,
    ),
    Extension("DELIVERBY", 2852, "deliverby", optional=True, mail=(parameters.BY,), mail_octets=17),
    Extension(
        "FUTURERELEASE",
        4865,
        "futurerelease",
        offered=lambda s: s.offers_hold,
        value=_hold_limits,
        mail=(parameters.HOLDFOR, parameters.HOLDUNTIL),
        mail_octets=len(" HOLDUNTIL=2030-12-31T18:00:00.000000+00:00"),
    ),
    Extension(
        "MT-PRIORITY",
        6710,
        "mt-priority",
        optional=True,
        offered=_in_submission,
        mail=(parameters.MT_PRIORITY,),
        mail_octets=15,
    ),
    Extension(
        "NO-SOLICITING",
        3865,
        "no-soliciting",
        optional=True,
        mail=(parameters.SOLICIT,),
        mail_octets=len(" SOLICIT=") + parameters.MAX_SOLICIT,
    ),
    Extension("LIMITS", 9422, "limits", value=_limits),
    Extension("EXPN", 5321, "expn", offered=lambda s: bool(s.mechanisms)),
    Extension("HELP", 5321, "help"),
    Extension("XCLIENT", 5321, "xclient", offered=lambda s: s.options.xclient, value=lambda s: ATTRIBUTES),
)
"""In the order in which they are advertised."""

OPTIONAL = frozenset(row.keyword for row in EXTENSIONS if row.optional)
"""What `SessionOptions.extensions` may name."""


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What a session offers just now: one object for all that offer the same."""

    hello: bytes
    """The reply to EHLO."""
    mail: Mapping[str, Parameter]
    rcpt: Mapping[str, Parameter]
    mail_limit: int
    """Octets of a MAIL line with its line end."""
    rcpt_limit: int
    line_limit: int
    """Octets of the longest line of any command."""
    mechanisms: tuple[str, ...]
    """Of SASL; empty: AUTH is not offered."""


@lru_cache(maxsize=64)
def offer(situation: Situation) -> Offer:
    """What to offer.  Raises ValueError for an extension that is not OPTIONAL."""
    options = situation.options
    if unknown := set(options.extensions) - OPTIONAL:
        raise ValueError(f"not an optional extension: {', '.join(sorted(unknown))}")
    rows = [row for row in EXTENSIONS if row.offered_in(situation)]
    words = [f"{row.keyword} {row.value(situation)}".rstrip() for row in rows]
    mail_limit = COMMAND_LIMIT + sum(row.mail_octets for row in rows)
    rcpt_limit = COMMAND_LIMIT + sum(row.rcpt_octets for row in rows)
    return Offer(
        hello=Reply(250, "", "\n".join((options.hostname, *words))).encode(),
        mail={parameter.keyword: parameter for row in rows for parameter in row.mail},
        rcpt={parameter.keyword: parameter for row in rows for parameter in row.rcpt},
        mail_limit=mail_limit,
        rcpt_limit=rcpt_limit,
        line_limit=MAX_RESPONSE if options.mechanisms else max(mail_limit, rcpt_limit),
        mechanisms=situation.mechanisms,
    )
