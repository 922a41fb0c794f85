"""The parameters of MAIL and RCPT (RFC 5321 §4.1.2): each with the field of the envelope that it fills.

Which of them a session takes follows from what it offers (extensions.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twisted_mail.smtp.envelope import Body
from twisted_mail.smtp.reply import Reply, SMTPError

# esmtp-value = 1*(%d33-60 / %d62-126), and what UTF8-non-ascii adds (RFC 6531 §3.3)
_VALUE = re.compile(r"[!-<>-~\u00a0-\U0010ffff]+")
# xtext = *( xchar / hexchar ); hexchar = "+" 2HEXDIG in upper case (RFC 3461 §4)
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")


class ParameterError(ValueError):
    """The value does not fit its parameter; the text says what would."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.  *parse* is given the value, None where there is no `=`, and may raise ParameterError."""

    keyword: str
    field: str
    parse: Callable[[str | None], object]


def parse_parameters(text: str, known: Mapping[str, Parameter]) -> dict[str, object]:
    """The fields that *text*, parameters separated by spaces, fills.

    Raises SMTPError: 555 for a parameter that is not known here (RFC 5321 §4.1.1.11), 501 for a wrong value.
    """
    found: dict[str, object] = {}
    for word in text.split():
        keyword, equals, value = word.partition("=")
        parameter = known.get(keyword.upper())
        if parameter is None:
            raise SMTPError(Reply(555, "5.4", f"Parameter not known here: {_shown(keyword)}"))
        if parameter.field in found:
            raise SMTPError(Reply(501, "5.4", f"{parameter.keyword} is given twice"))
        if equals and not _VALUE.fullmatch(value):
            raise SMTPError(Reply(501, "5.4", f"{parameter.keyword}= needs a value without spaces and ="))
        try:
            found[parameter.field] = parameter.parse(value if equals else None)
        except ParameterError as error:
            raise SMTPError(Reply(501, "5.4", str(error))) from error
    return found


def decode_xtext(text: str) -> str:
    """The text behind xtext (RFC 3461 §4).  Raises ParameterError, also where that text has control characters."""
    if not _XTEXT.fullmatch(text):
        raise ParameterError("Not xtext: + must be followed by two hexadecimal digits in upper case (RFC 3461)")
    if "+" not in text:
        return text
    octets = _HEXCHAR.sub(lambda match: bytes((int(match.group(1), 16),)), text.encode())
    try:
        decoded = octets.decode()
    except UnicodeDecodeError as error:
        raise ParameterError("What the xtext stands for is not UTF-8") from error
    if not decoded.isprintable():
        raise ParameterError("The xtext stands for a control character")
    return decoded


def _shown(keyword: str) -> str:
    """What a client wrote, cut down to what a reply can show."""
    return keyword[:40].encode("ascii", "replace").decode()


def _size(value: str | None) -> int:
    """size-value = 1*20DIGIT (RFC 1870 §3)."""
    if value is None or not (value.isascii() and value.isdecimal() and len(value) <= 20):
        raise ParameterError("SIZE= needs a number of octets")
    return int(value)


def _body(value: str | None) -> Body:
    """RFC 6152 §2."""
    if value is not None and value.upper() in ("7BIT", "8BITMIME"):
        return Body(value.upper())
    raise ParameterError("BODY= may be 7BIT or 8BITMIME")


def _smtputf8(value: str | None) -> bool:
    """RFC 6531 §3.4."""
    if value is not None:
        raise ParameterError("SMTPUTF8 takes no value")
    return True


def _auth(value: str | None) -> str:
    """RFC 4954 §5."""
    if value is None:
        raise ParameterError("AUTH= needs an address in xtext, or <>")
    return "" if value == "<>" else decode_xtext(value)


SIZE = Parameter("SIZE", "size", _size)
BODY = Parameter("BODY", "body", _body)
SMTPUTF8 = Parameter("SMTPUTF8", "smtputf8", _smtputf8)
AUTH = Parameter("AUTH", "auth", _auth)
