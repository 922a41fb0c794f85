"""A message as a program hands it over on standard input, made into one that can be sent (as sendmail does).

Works on text with LF line ends; a header that says something is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from twisted_mail.message.addresses import listed_addresses
from twisted_mail.message.header import FIELD, fields, header_size, without_field

_TO = ("to", "cc", "bcc")
_RESENT = ("resent-to", "resent-cc", "resent-bcc")
_LINE_END = re.compile(rb"\r\n?")


def message_text(octets: bytes, *, dot_ends: bool) -> bytes:
    """*octets* with LF line ends, with header and blank line.  *dot_ends*: a line with one dot ends it."""
    text = _LINE_END.sub(b"\n", octets)
    if dot_ends:
        text = (b"\n" + text).partition(b"\n.\n")[0][1:]
    if text and not text.endswith(b"\n"):
        text += b"\n"
    if text.startswith(b"\n"):
        return text
    if not FIELD.match(text):  # the output of a program, say
        return b"\n" + text
    # without its blank line, the first line that is no field would be lost between header and body
    size = header_size(text)
    return text if text[:size].endswith(b"\n\n") else text[:size] + b"\n" + text[size:]


def recipients(text: bytes) -> Iterator[str]:
    """The addresses in To, Cc and Bcc, or in those of a message that is sent again (RFC 5322 §3.6.6)."""
    found: dict[str, list[str]] = {}
    for name, field in fields(text[: header_size(text)]):
        value = field.partition(b":")[2].decode("utf-8", "replace")
        found.setdefault(name, []).append(" ".join(value.split()))
    names = _RESENT if any(name in found for name in _RESENT) else _TO
    values = [value for name in names for value in found.get(name, ())]
    return (address for _, address in listed_addresses(values) if address)


def completed(text: bytes, defaults: Mapping[str, str]) -> bytes:
    """Without Bcc, and with those of *defaults* (field name -> value) that it has not."""
    size = header_size(text)
    header = without_field(without_field(text[:size], "bcc"), "resent-bcc")
    names = {name for name, _ in fields(header)}
    missing = "".join(f"{name}: {value}\n" for name, value in defaults.items() if name.lower() not in names)
    return missing.encode("utf-8", "surrogateescape") + header + text[size:]
