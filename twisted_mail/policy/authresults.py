"""Authentication-Results: what we have found out, and fields of others that pretend to be ours (RFC 8601).  Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twisted_mail.message.header import FIELD

NAME = b"authentication-results"
LONGEST_COMMENT = 200
MAX_READ = 50
"""Methods of one field."""
MAX_FIELDS = 100
"""That may stay in one message."""
LONGEST_HEAD = 4096
"""Octets of a field in which its author must stand."""


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method: `spf=pass (comment) smtp.mailfrom=alice@example.org`."""

    method: str
    result: str
    properties: Mapping[str, str] = field(default_factory=dict)
    """Empty values are left out."""
    comment: str = ""
    """May hold anything."""

    def __str__(self) -> str:
        comment = f" ({_harmless(self.comment)})" if self.comment else ""
        properties = "".join(f" {name}={_value(value)}" for name, value in self.properties.items() if value)
        return f"{self.method}={self.result}{comment}{properties}"


def authentication_results(hostname: str, results: Sequence[MethodResult]) -> bytes:
    """The field, LF line ends."""
    texts = [str(result) for result in results] or ["none"]
    return f"Authentication-Results: {hostname};\n {f';{chr(10)} '.join(texts)}\n".encode("ascii", "replace")


def without_results_of(hostname: str, header: bytes) -> bytes:
    """The header block without the fields that say they are from *hostname*, or do not say from whom (RFC 8601 §5)."""
    if NAME not in header.lower():
        return header

    count = itertools.count()

    def kept(match: re.Match[bytes]) -> bytes:
        if match.group(1).lower() != NAME:
            return match.group()
        said = said_by(match.group().partition(b":")[2]) if next(count) < MAX_FIELDS else ""
        return match.group() if said and said != hostname.lower() else b""

    return FIELD.sub(kept, header)


# a parenthesis, an escaped octet, a quoted string, and all else; no part is looked at twice
_PART = re.compile(rb'[()]|\\.?|"[^"\\]*(?:\\.[^"\\]*)*"|"|[^()"\\]+', re.DOTALL)
_ID = re.compile(rb'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"()]+))', re.DOTALL)


def said_by(value: bytes) -> str:
    """The authserv-id at the beginning of a field's value, in lower case; empty where there is none to be read."""
    match = _ID.match(without_comments(value[:LONGEST_HEAD]))
    if match is None:
        return ""
    name = re.sub(rb"\\(.)", rb"\1", match[1]) if match[1] is not None else match[2]
    return name.decode("latin-1").strip().lower().removesuffix(".")


_METHOD = re.compile(rb"\s*([A-Za-z0-9-]+)(?:\s*/\s*[0-9]+)?\s*=\s*([A-Za-z]+)")
# begins with a word: a long one is not looked at from each of its letters
_PROPERTY = re.compile(rb'(?<![A-Za-z-])([A-Za-z-]+\.[A-Za-z-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))')


def read_results(value: bytes) -> list[MethodResult]:
    """What a field says, without its comments; what cannot be read is left out."""
    results = []
    for text in without_comments(value).split(b";")[:MAX_READ]:
        if match := _METHOD.match(text):
            properties = {
                each[1].decode().lower(): (each[2] if each[2] is not None else each[3]).decode("latin-1")
                for each in _PROPERTY.finditer(text, match.end())
            }
            results.append(MethodResult(match[1].decode().lower(), match[2].decode().lower(), properties))
    return results


def without_comments(value: bytes) -> bytes:
    """A comment that does not end goes to the end."""
    kept = []
    depth = 0
    for match in _PART.finditer(value):
        part = match.group()
        if part == b"(":
            depth += 1
        elif part == b")" and depth:
            depth -= 1
            kept.append(b" ")
        elif not depth:
            kept.append(part)
    return b"".join(kept)


def _harmless(text: str) -> str:
    return re.sub(r"[^ -~]|[()\\]", "?", text)[:LONGEST_COMMENT]


_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@:-]+")


def _value(text: str) -> str:
    if _TOKEN.fullmatch(text):
        return text
    return '"' + re.sub(r"[^ -~]", "?", text).replace("\\", "\\\\").replace('"', '\\"') + '"'
