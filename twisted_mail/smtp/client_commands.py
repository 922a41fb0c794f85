"""MAIL and RCPT as a client says them: the parameters that the message needs and the peer offers.

A message that must not travel to this peer as it is (RFC 6152 §3, RFC 6531 §3.6, RFC 8689 §4.2.1) is refused here,
before a word of it is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from twisted_mail.smtp.address import Address
from twisted_mail.smtp.client_offer import PeerOffer
from twisted_mail.smtp.envelope import Body, MailOptions, Notify, Recipient
from twisted_mail.smtp.reply import SMTPError


@dataclass(frozen=True, slots=True)
class Content:
    """What of a message decides over how it may travel."""

    wire_size: int
    """Octets in CRLF form, as SIZE counts (RFC 1870 §5); of a BINARYMIME message, its octets as they are."""
    header_is_ascii: bool = True
    body_is_ascii: bool = True

    @property
    def is_ascii(self) -> bool:
        return self.header_is_ascii and self.body_is_ascii


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for recipients at one server: at least one, at most as many as the peer takes at once."""

    sender: Address | None
    options: MailOptions
    recipients: tuple[Recipient, ...]
    content: Content

    @property
    def needs_smtputf8(self) -> bool:
        """For sender or header; for a recipient it is decided one by one."""
        if self.sender is not None and not self.sender.is_ascii:
            return True
        return self.options.smtputf8 and not self.content.header_is_ascii

    @property
    def is_binary(self) -> bool:
        return self.options.body is Body.BINARY_MIME


# ---- what must not go


def _check_size(message: Outgoing, offer: PeerOffer) -> None:
    limit = offer.max_size
    if limit is not None and message.content.wire_size > limit:
        size = message.content.wire_size
        raise SMTPError.of(552, "3.4", f"The message has {size} octets, the server takes {limit}")


def _check_octets(message: Outgoing, offer: PeerOffer) -> None:
    if message.is_binary:
        if "BINARYMIME" not in offer or "CHUNKING" not in offer:
            raise SMTPError.of(554, "6.3", "The message is binary, and the server takes text only")
    elif not message.content.is_ascii and "8BITMIME" not in offer:
        raise SMTPError.of(554, "6.3", "The message has 8-bit characters, and the server takes 7-bit ones only")


def _check_utf8(message: Outgoing, offer: PeerOffer) -> None:
    if not message.needs_smtputf8 or "SMTPUTF8" in offer:
        return
    if message.sender is not None and not message.sender.is_ascii:
        raise SMTPError.of(550, "6.7", "The server takes no mail from addresses that are not ASCII")
    raise SMTPError.of(554, "6.9", "The message has addresses or a header in UTF-8, which the server does not take")


def _check_tls(message: Outgoing, offer: PeerOffer) -> None:
    if message.options.require_tls and "REQUIRETLS" not in offer:
        raise SMTPError.of(550, "7.30", "The message asks for TLS all the way, which the server does not promise")


def _check_deadline(message: Outgoing, offer: PeerOffer) -> None:
    """A message to be returned when it is late must not go where nobody watches the time (RFC 2852 §4.1.4)."""
    by = message.options.deliver_by
    if by is not None and by.overdue.value == "R" and "DELIVERBY" not in offer:
        raise SMTPError.of(550, "3.3", "The message must arrive in time or return, which the server does not promise")


_CHECKS = (_check_tls, _check_octets, _check_utf8, _check_deadline, _check_size)


# ---- parameters


@dataclass(frozen=True, slots=True)
class _Parameter:
    """*text* of the parameter where the message needs it, else an empty one; said if *keyword* is offered."""

    keyword: str
    text: Callable[[Outgoing], str]


def _body(message: Outgoing) -> str:
    if message.is_binary:
        return "BODY=BINARYMIME"
    return "" if message.content.is_ascii else "BODY=8BITMIME"


def _smtputf8(message: Outgoing) -> str:
    foreign = any(not recipient.address.is_ascii for recipient in message.recipients)
    return "SMTPUTF8" if message.needs_smtputf8 or foreign else ""


def _ret(message: Outgoing) -> str:
    return f"RET={message.options.ret.value}" if message.options.ret else ""


def _envid(message: Outgoing) -> str:
    return f"ENVID={encode_xtext(message.options.envelope_id)}" if message.options.envelope_id else ""


def _by(message: Outgoing) -> str:
    by = message.options.deliver_by
    return f"BY={by.seconds};{by.overdue.value}{'T' if by.trace else ''}" if by else ""


def _priority(message: Outgoing) -> str:
    return f"MT-PRIORITY={message.options.priority}" if message.options.priority else ""


def _solicit(message: Outgoing) -> str:
    return f"SOLICIT={','.join(message.options.solicit)}" if message.options.solicit else ""


_MAIL_PARAMETERS = (
    _Parameter("SIZE", lambda message: f"SIZE={message.content.wire_size}"),
    _Parameter("8BITMIME", _body),
    _Parameter("SMTPUTF8", _smtputf8),
    _Parameter("REQUIRETLS", lambda message: "REQUIRETLS" if message.options.require_tls else ""),
    _Parameter("DSN", _ret),
    _Parameter("DSN", _envid),
    _Parameter("DELIVERBY", _by),
    _Parameter("MT-PRIORITY", _priority),
    _Parameter("NO-SOLICITING", _solicit),
)
"""FUTURERELEASE is not among them: the message was held here.  AUTH= neither: it proves nothing to a stranger."""


def mail_command(message: Outgoing, offer: PeerOffer) -> bytes:
    """MAIL, without its line end.  Raises SMTPError, 5yz: the message must not go to this peer as it is."""
    for check in _CHECKS:
        check(message, offer)
    words = [row.text(message) for row in _MAIL_PARAMETERS if row.keyword in offer]
    return _line(f"MAIL FROM:<{message.sender or ''}>", *words)


def rcpt_command(recipient: Recipient, offer: PeerOffer) -> bytes:
    """RCPT, without its line end.  Raises SMTPError, 5yz: the peer cannot take this address."""
    if not recipient.address.is_ascii and "SMTPUTF8" not in offer:
        raise SMTPError.of(553, "6.7", "The server takes no addresses that are not ASCII")
    path = f"RCPT TO:<{recipient.address}>"
    if "DSN" not in offer:
        return _line(path)
    options = recipient.options
    notify = "" if options.notify is None else f"NOTIFY={_notify(options.notify)}"
    orcpt = "" if options.original_recipient is None else f"ORCPT={_orcpt(options.original_recipient)}"
    return _line(path, notify, orcpt)


def _notify(notify: Notify) -> str:
    return ",".join(flag.name or "" for flag in notify) or "NEVER"


def _orcpt(original: str) -> str:
    """The address in xtext; of the type utf-8, in the form that needs no SMTPUTF8 (RFC 6533 §3)."""
    kind, _, address = original.partition(";")
    if kind.lower() == "utf-8":
        return f"{kind};{_NOT_PRINTABLE.sub(_in_braces, address)}"
    return f"{kind};{encode_xtext(address)}"


def _in_braces(match: re.Match[str]) -> str:
    """EmbeddedUnicodeChar (RFC 6533 §3)."""
    return f"\\x{{{ord(match.group()):X}}}"


def encode_xtext(text: str) -> str:
    """RFC 3461 §4."""
    return _NOT_XCHAR.sub(lambda match: f"+{match.group()[0]:02X}".encode(), text.encode()).decode("ascii")


_NOT_PRINTABLE = re.compile(r"[^!-~]")
_NOT_XCHAR = re.compile(rb"[^!-*,-<>-~]")


def _line(*words: str) -> bytes:
    line = " ".join(word for word in words if word)
    if not line.isprintable():
        raise SMTPError.of(553, "1.3", "An address or a parameter of the message has control characters")
    return line.encode()
