"""XCLIENT (postfix.org/XCLIENT_README.html): a proxy that is trusted says for whom it speaks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

from twisted_mail.smtp.events import Introduced
from twisted_mail.smtp.parameters import ParameterError, decode_xtext
from twisted_mail.smtp.reply import Reply, SMTPError

_UNKNOWN = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")


def parse_xclient(argument: str) -> Introduced:
    """`name=value ...`, each value in xtext.  Raises SMTPError."""
    values: dict[str, str] = {}
    for word in argument.split():
        name, equals, value = word.partition("=")
        read = _READERS.get(name.upper())
        if not equals or read is None:
            raise _refusal(f"XCLIENT takes {ATTRIBUTES}, each with =value")
        if name.upper() in values:
            raise _refusal(f"XCLIENT has {name.upper()} twice")
        try:
            values[name.upper()] = "" if value.upper() in _UNKNOWN else read(decode_xtext(value))
        except (ParameterError, ValueError) as error:
            raise _refusal(f"XCLIENT has no good {name.upper()}") from error
    if not values:
        raise _refusal(f"XCLIENT takes {ATTRIBUTES}, each with =value")
    return Introduced(values.get("ADDR", ""), values.get("HELO", ""), values.get("PROTO") == "ESMTP")


def _refusal(text: str) -> SMTPError:
    return SMTPError(Reply(501, "5.4", text))


def _address(text: str) -> str:
    prefixed = text.upper().startswith("IPV6:")
    return str(ipaddress.IPv6Address(text[5:]) if prefixed else ipaddress.IPv4Address(text))


def _port(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and int(text) < 65_536):
        raise ValueError(text)
    return text


def _protocol(text: str) -> str:
    if text.upper() not in ("SMTP", "ESMTP"):
        raise ValueError(text)
    return text.upper()


def _name(text: str) -> str:
    if not text.isascii() or " " in text or len(text) > 255:
        raise ValueError(text)
    return text


# NAME and PORT are checked and not used
_READERS: Mapping[str, Callable[[str], str]] = {
    "NAME": _name,
    "ADDR": _address,
    "PORT": _port,
    "PROTO": _protocol,
    "HELO": _name,
}
ATTRIBUTES = " ".join(_READERS)
"""As EHLO advertises them."""
