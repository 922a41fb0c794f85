"""The parameters of MAIL and RCPT (RFC 5321 §4.1.2): each with the field of the envelope that it fills.

Which of them a session takes follows from what it offers (extensions.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from twisted_mail.smtp.envelope import Body, DeliverBy, Notify, Overdue, Return
from twisted_mail.smtp.reply import Reply, SMTPError

# esmtp-value = 1*(%d33-60 / %d62-126), and what UTF8-non-ascii adds (RFC 6531 §3.3)
_VALUE = re.compile(r"[!-<>-~\u00a0-\U0010ffff]+")
# xtext = *( xchar / hexchar ); hexchar = "+" 2HEXDIG in upper case (RFC 3461 §4)
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")
# original-recipient-address = addr-type ";" xtext; addr-type = atom (RFC 3461 §4.2)
_ORIGINAL_RECIPIENT = re.compile(r"([A-Za-z0-9!#$%&'*+\-/?^_`{|}~]+);(.+)")
# by-value = by-time ";" by-mode [by-trace]; by-time = ["-" / "+"] 1*9DIGIT (RFC 2852 §4)
_BY = re.compile(r"([+-]?[0-9]{1,9});([NR])(T?)", re.IGNORECASE)
# date-time of RFC 3339 §5.6
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)
# priority-value = (["-"] NZDIGIT) / "0" (RFC 6710 §5)
_PRIORITY = re.compile(r"-?[1-9]|0")
# Solicitation-keywords = word 0*("," word); word = ALPHA 0*(wordchar) (RFC 3865 §2.2)
_SOLICIT = re.compile(r"[A-Za-z][A-Za-z0-9._:-]*(?:,[A-Za-z][A-Za-z0-9._:-]*)*")

MAX_ENVID = 100  # octets, RFC 3461 §4.4
MAX_ORCPT = 500  # octets, RFC 3461 §4.2
MAX_SOLICIT = 1000  # octets, RFC 3865 §2.1


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
            raise SMTPError(Reply(501, "5.4", f"{parameter.keyword} is one too many"))
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


def _any_body(value: str | None) -> Body:
    """RFC 3030 §3."""
    if value is None or value.upper() not in ("7BIT", "8BITMIME", "BINARYMIME"):
        raise ParameterError("BODY= may be 7BIT, 8BITMIME or BINARYMIME")
    return Body(value.upper())


def _flag(value: str | None) -> bool:
    """SMTPUTF8 (RFC 6531 §3.4), REQUIRETLS (RFC 8689 §2)."""
    if value is not None:
        raise ParameterError("This parameter takes no value")
    return True


def _auth(value: str | None) -> str:
    """RFC 4954 §5."""
    if value is None:
        raise ParameterError("AUTH= needs an address in xtext, or <>")
    return "" if value == "<>" else decode_xtext(value)


def _ret(value: str | None) -> Return:
    if value is None or value.upper() not in ("FULL", "HDRS"):
        raise ParameterError("RET= may be FULL or HDRS")
    return Return(value.upper())


def _envid(value: str | None) -> str:
    if value is None or len(value) > MAX_ENVID:
        raise ParameterError(f"ENVID= needs at most {MAX_ENVID} octets")
    identifier = decode_xtext(value)
    if not identifier.isascii():
        raise ParameterError("ENVID= may stand for ASCII only")
    return identifier


def _notify(value: str | None) -> Notify:
    """NEVER, or any of the others, each of them once at least (RFC 3461 §4.1)."""
    words = (value or "").upper().split(",")
    if words == ["NEVER"]:
        return Notify.NEVER
    if not {"SUCCESS", "FAILURE", "DELAY"}.issuperset(words):
        raise ParameterError("NOTIFY= may be NEVER, or some of SUCCESS,FAILURE,DELAY")
    chosen = Notify.NEVER
    for word in words:
        chosen |= Notify[word]
    return chosen


def _orcpt(value: str | None) -> str:
    match = _ORIGINAL_RECIPIENT.fullmatch(value or "")
    if match is None or len(match.group().encode()) > MAX_ORCPT:
        raise ParameterError("ORCPT= needs a type and an address in xtext, as in rfc822;bob@example.org")
    kind, address = match.groups()
    # utf-8 has an encoding of its own, which reports repeat as it is (RFC 6533 §3)
    return f"{kind};{address if kind.lower() == 'utf-8' else decode_xtext(address)}"


def _by(value: str | None) -> DeliverBy:
    match = _BY.fullmatch(value or "")
    if match is None:
        raise ParameterError("BY= needs seconds and N or R, as in 3600;R")
    by = DeliverBy(int(match.group(1)), Overdue(match.group(2).upper()), bool(match.group(3)))
    if by.overdue is Overdue.RETURN and by.seconds <= 0:
        raise ParameterError("BY= with R needs a time that is still to come")
    return by


def _holdfor(value: str | None) -> timedelta:
    if value is None or not (value.isascii() and value.isdecimal() and len(value) <= 9):
        raise ParameterError("HOLDFOR= needs a number of seconds")
    return timedelta(seconds=int(value))


def _holduntil(value: str | None) -> datetime:
    message = "HOLDUNTIL= needs a date and time, as in 2030-12-31T18:00:00Z"
    if not _DATE_TIME.fullmatch(value or ""):
        raise ParameterError(message)
    try:
        return datetime.fromisoformat((value or "").upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParameterError(message) from error


def _priority(value: str | None) -> int:
    if not _PRIORITY.fullmatch(value or ""):
        raise ParameterError("MT-PRIORITY= needs a number from -9 to 9")
    return int(value or "")


def _solicit(value: str | None) -> tuple[str, ...]:
    if not _SOLICIT.fullmatch(value or "") or len(value or "") > MAX_SOLICIT:
        raise ParameterError("SOLICIT= needs keywords, as in org.example:ADV")
    return tuple((value or "").split(","))


SIZE = Parameter("SIZE", "size", _size)
BODY = Parameter("BODY", "body", _body)
ANY_BODY = Parameter("BODY", "body", _any_body)
SMTPUTF8 = Parameter("SMTPUTF8", "smtputf8", _flag)
AUTH = Parameter("AUTH", "auth", _auth)
RET = Parameter("RET", "ret", _ret)
ENVID = Parameter("ENVID", "envelope_id", _envid)
NOTIFY = Parameter("NOTIFY", "notify", _notify)
ORCPT = Parameter("ORCPT", "original_recipient", _orcpt)
REQUIRETLS = Parameter("REQUIRETLS", "require_tls", _flag)
BY = Parameter("BY", "deliver_by", _by)
HOLDFOR = Parameter("HOLDFOR", "release", _holdfor)
HOLDUNTIL = Parameter("HOLDUNTIL", "release", _holduntil)
MT_PRIORITY = Parameter("MT-PRIORITY", "priority", _priority)
SOLICIT = Parameter("SOLICIT", "solicit", _solicit)
