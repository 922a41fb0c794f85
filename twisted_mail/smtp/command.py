"""The commands (RFC 5321 §4.1.1): what each verb's argument is, and where it is legal (COMMANDS, at the end).

Each parser is given the argument, printable and without spaces around it, and what the session offers.  It raises
SMTPError with the reply for the client.  What a command does is the session's business (server.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from twisted_mail.sasl import MAX_RESPONSE
from twisted_mail.smtp.address import Address, AddressError, parse_address, parse_path
from twisted_mail.smtp.envelope import MailOptions, Recipient, RecipientOptions
from twisted_mail.smtp.extensions import COMMAND_LIMIT, Offer
from twisted_mail.smtp.parameters import parse_parameters
from twisted_mail.smtp.reply import Reply, SMTPError

NEEDS_SMTPUTF8 = Reply(553, "6.7", "An address that is not ASCII needs the parameter SMTPUTF8 on MAIL (RFC 6531)")

NOT_SHOWN = Reply(502, "5.1", "A list is shown to its owner only, who has to log in")
NEEDS_SMTPUTF8_TO_SHOW = Reply(553, "6.7", "There are members that are not ASCII: say EXPN list@example.org SMTPUTF8")

# Domain or address-literal, and what real clients send instead: host names with "_", bare IP addresses
_HELLO_NAME = re.compile(r"[!#-'*+\-./0-9:=?A-Z\[\]^_`a-z{|}~]{1,255}")
# Path up to its ">", which may stand inside a quoted local part; old Outlook puts spaces in front of it
_PATH = re.compile(r' *+(<(?:"(?:[^"\\]|\\.)*+"|[^">])*+>)')
# chunk-size SP end-marker
_CHUNK = re.compile(r"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE)

_NO_DOMAIN = "domain.invalid"
_NO_MAIL_OPTIONS = MailOptions()
_NO_RECIPIENT_OPTIONS = RecipientOptions()

REMEMBERED = 4096
"""Arguments of MAIL, and of RCPT, that need not be parsed again: the same people write, to the same people."""


class State(Enum):
    """Where a session stands (RFC 5321 §4.1.4)."""

    __hash__ = object.__hash__  # Enum's is written in Python, and a session looks into its table twice a command

    START = auto()
    """Nothing but the banner, or TLS has just come up."""
    READY = auto()
    """The client has said who it is."""
    MAIL = auto()
    """A transaction is open, no recipient is accepted yet."""
    RCPT = auto()
    """At least one recipient is accepted."""
    CHUNKS = auto()
    """Between two chunks of a message."""
    TEXT = auto()
    """The message comes in, or its end is not answered yet."""
    CHUNK = auto()
    """The octets of one chunk come in, to be taken or to be discarded."""
    AUTH = auto()
    """In an AUTH exchange."""
    TLS = auto()
    """STARTTLS is answered, TLS is not up yet."""
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """AUTH: the mechanism in upper case; *initial* is base64, or None where no initial response was sent."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class ListRequest:
    """EXPN: which list, its domain empty where none was named; *smtputf8*: the answer may hold UTF-8."""

    alias: Address
    smtputf8: bool


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """BDAT: *octets* follow; *last* ends the message."""

    octets: int
    last: bool


def parse_nothing(argument: str, offer: Offer) -> None:
    """DATA, RSET, QUIT, STARTTLS."""
    if argument:
        raise SMTPError(Reply(501, "5.4", "This command takes no argument"))


def parse_anything(argument: str, offer: Offer) -> str:
    """NOOP and HELP, whose argument means nothing."""
    return argument


def parse_something(argument: str, offer: Offer) -> str:
    """VRFY."""
    if not argument:
        raise SMTPError(Reply(501, "5.4", "This command needs an argument"))
    return argument


def parse_list(argument: str, offer: Offer) -> ListRequest:
    """EXPN: an address, with or without angle brackets, or its local part alone (RFC 5321 §4.1.1.7)."""
    name, _, parameter = argument.rpartition(" ") if argument.upper().endswith(" SMTPUTF8") else (argument, "", "")
    name = name.strip()
    if name.startswith("<") and name.endswith(">"):
        name = name[1:-1]
    try:
        alias = parse_address(name if "@" in name else f"{name}@{_NO_DOMAIN}")
    except AddressError as error:
        raise SMTPError(Reply(501, "1.3", "Syntax: EXPN list@example.org")) from error
    return ListRequest(alias if "@" in name else Address(alias.local_part, ""), bool(parameter))


def parse_hello(argument: str, offer: Offer) -> str:
    """EHLO, HELO and LHLO: the name that the client gives itself, which is not checked to be true (RFC 5321 §4.1.4)."""
    if not _HELLO_NAME.fullmatch(argument):
        raise SMTPError(Reply(501, "5.4", "Say who you are: a host name, or an address as in [192.0.2.1]"))
    return argument


@lru_cache(REMEMBERED)
def parse_mail(argument: str, offer: Offer) -> tuple[Address | None, MailOptions]:
    """MAIL: the reverse-path, None for `<>`, and the parameters."""
    path, rest = _split(argument, "FROM:", Reply(501, "5.4", "Syntax: MAIL FROM:<address>"))
    options = MailOptions(**parse_parameters(rest, offer.mail)) if rest else _NO_MAIL_OPTIONS  # type: ignore[arg-type]  # each parser gives its field's type
    if not path.isascii() and not options.smtputf8:
        raise SMTPError(NEEDS_SMTPUTF8)
    try:
        sender = parse_path(path)
    except AddressError as error:
        raise SMTPError(Reply(501, "1.7", _shown(error))) from error
    if sender is not None and not sender.domain:
        raise SMTPError(Reply(501, "1.7", "A sender needs a domain, as in <postmaster@example.org>"))
    return sender, options


@lru_cache(REMEMBERED)
def parse_rcpt(argument: str, offer: Offer) -> tuple[Recipient, bool]:
    """RCPT: the recipient, and whether its path is all ASCII, so that it does without SMTPUTF8."""
    path, rest = _split(argument, "TO:", Reply(501, "5.4", "Syntax: RCPT TO:<address>"))
    options = RecipientOptions(**parse_parameters(rest, offer.rcpt)) if rest else _NO_RECIPIENT_OPTIONS  # type: ignore[arg-type]  # as above
    try:
        address = parse_path(path)
    except AddressError as error:
        raise SMTPError(Reply(501, "1.3", _shown(error))) from error
    if address is None:
        raise SMTPError(Reply(501, "1.3", "A recipient cannot be empty"))
    return Recipient(address, options), path.isascii()


def parse_auth(argument: str, offer: Offer) -> AuthRequest:
    """AUTH mechanism [initial-response] (RFC 4954 §4); `=` stands for an initial response of no octets."""
    words = argument.split()
    if not 1 <= len(words) <= 2:
        raise SMTPError(Reply(501, "5.4", "Syntax: AUTH mechanism [initial response in base64]"))
    initial = words[1].encode() if len(words) == 2 else None
    return AuthRequest(words[0].upper(), b"" if initial == b"=" else initial)


def parse_bdat(argument: str, offer: Offer) -> ChunkSize:
    """BDAT chunk-size [LAST] (RFC 3030 §2)."""
    match = _CHUNK.fullmatch(argument)
    if match is None:
        raise SMTPError(Reply(501, "5.4", "Syntax: BDAT octets [LAST]; without a size your data has no end"))
    return ChunkSize(int(match.group(1)), bool(match.group(2)))


def _split(argument: str, keyword: str, syntax: Reply) -> tuple[str, str]:
    """The path with its angle brackets, and the parameters behind it."""
    if argument[: len(keyword)].upper() != keyword:
        raise SMTPError(syntax)
    match = _PATH.match(argument, len(keyword))
    if match is None:
        raise SMTPError(Reply(501, "5.4", f"{syntax.text}, with the angle brackets"))
    rest = argument[match.end() :]
    if rest and not rest.startswith(" "):
        raise SMTPError(Reply(501, "5.4", f"{syntax.text}, then a space before parameters"))
    return match.group(1), rest


def _shown(error: AddressError) -> str:
    """The text of the error as a reply can show it: replies are ASCII."""
    text = str(error).encode("ascii", "replace").decode()
    return text[:1].upper() + text[1:]


def parse_text(argument: bytes) -> str:
    """An argument as its parser wants it.  Raises SMTPError."""
    try:
        text = argument.decode().strip(" ")
    except UnicodeDecodeError as error:
        raise SMTPError(Reply(501, "5.2", "Only ASCII and UTF-8 are understood")) from error
    if not text.isprintable():
        raise SMTPError(Reply(501, "5.4", "Control characters are not allowed"))
    return text


def _standard_limit(offer: Offer) -> int:
    return COMMAND_LIMIT


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the table below."""

    verb: str
    parse: Callable[[str, Offer], object]
    states: tuple[State, ...]
    """Where it is legal."""
    limit: Callable[[Offer], int] = _standard_limit
    """Octets of its line with the line end."""
    idle: bool = False
    """It brings no message nearer."""


_ANY = (State.START, State.READY, State.MAIL, State.RCPT, State.CHUNKS)

COMMANDS = {
    row.verb.encode(): row
    for row in (
        Command("EHLO", parse_hello, _ANY, idle=True),
        Command("HELO", parse_hello, _ANY, idle=True),
        Command("LHLO", parse_hello, _ANY, idle=True),
        Command("STARTTLS", parse_nothing, _ANY),
        Command("XCLIENT", parse_anything, (State.START, State.READY)),
        Command("AUTH", parse_auth, (State.READY,), limit=lambda offer: MAX_RESPONSE),
        Command("MAIL", parse_mail, (State.READY,), limit=lambda offer: offer.mail_limit),
        Command("RCPT", parse_rcpt, (State.MAIL, State.RCPT), limit=lambda offer: offer.rcpt_limit),
        Command("DATA", parse_nothing, (State.RCPT,)),
        Command("BDAT", parse_bdat, _ANY),  # what follows it must be read even where it is refused
        Command("RSET", parse_nothing, _ANY, idle=True),
        Command("NOOP", parse_anything, _ANY, idle=True),
        Command("VRFY", parse_something, _ANY, idle=True),
        Command("EXPN", parse_list, _ANY, idle=True),
        Command("HELP", parse_anything, _ANY, idle=True),
        Command("QUIT", parse_nothing, _ANY),
    )
}
"""What is legal when (RFC 5321 §4.1.4)."""

HTTP_METHODS = frozenset((b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH"))
"""A web browser was made to send mail (cross-protocol scripting): nothing more of it is read."""
NOT_IMPLEMENTED = frozenset((b"SEND", b"SOML", b"SAML", b"TURN", b"ATRN", b"ETRN", b"BURL", b"XFORWARD"))
"""Verbs that RFCs and peers define: safe to be named in the log."""
