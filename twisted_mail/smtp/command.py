"""The grammar of commands (RFC 5321 §4.1.1): the argument behind a verb -> typed values.

Each parser is given the argument, printable and without spaces around it, and what the session offers.  It raises
SMTPError with the reply for the client.  The order of commands is the session's business (server.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twisted_mail.smtp.address import Address, AddressError, parse_path
from twisted_mail.smtp.envelope import MailOptions, Recipient, RecipientOptions
from twisted_mail.smtp.extensions import Offer
from twisted_mail.smtp.parameters import parse_parameters
from twisted_mail.smtp.reply import Reply, SMTPError

NEEDS_SMTPUTF8 = Reply(553, "6.7", "An address that is not ASCII needs the parameter SMTPUTF8 on MAIL (RFC 6531)")

# Domain or address-literal, and what real clients send instead: host names with "_", bare IP addresses
_HELLO_NAME = re.compile(r"[!#-'*+\-./0-9:=?A-Z\[\]^_`a-z{|}~]{1,255}")
# Path up to its ">", which may stand inside a quoted local part; old Outlook puts spaces in front of it
_PATH = re.compile(r' *+(<(?:"(?:[^"\\]|\\.)*+"|[^">])*+>)')

_NO_MAIL_OPTIONS = MailOptions()
_NO_RECIPIENT_OPTIONS = RecipientOptions()


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """AUTH: the mechanism in upper case; *initial* is base64, or None where no initial response was sent."""

    mechanism: str
    initial: bytes | None


def parse_nothing(argument: str, offer: Offer) -> None:
    """DATA, RSET, QUIT, STARTTLS."""
    if argument:
        raise SMTPError(Reply(501, "5.4", "This command takes no argument"))


def parse_anything(argument: str, offer: Offer) -> str:
    """NOOP and HELP, whose argument means nothing."""
    return argument


def parse_something(argument: str, offer: Offer) -> str:
    """VRFY and EXPN."""
    if not argument:
        raise SMTPError(Reply(501, "5.4", "This command needs an argument"))
    return argument


def parse_hello(argument: str, offer: Offer) -> str:
    """EHLO, HELO and LHLO: the name that the client gives itself, which is not checked to be true (RFC 5321 §4.1.4)."""
    if not _HELLO_NAME.fullmatch(argument):
        raise SMTPError(Reply(501, "5.4", "Say who you are: a host name, or an address as in [192.0.2.1]"))
    return argument


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


def parse_rcpt(argument: str, offer: Offer) -> tuple[Recipient, bool]:
    """RCPT: the recipient, and whether its path is all ASCII, so that it does without SMTPUTF8."""
    path, rest = _split(argument, "TO:", Reply(501, "5.4", "Syntax: RCPT TO:<address>"))
    options = RecipientOptions(**parse_parameters(rest, offer.rcpt)) if rest else _NO_RECIPIENT_OPTIONS
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
