"""The record and the policy of MTA-STS, read and written (RFC 8461 §3).  What is read is from anybody."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

MAX_AGE = 31_557_600
"""Seconds (RFC 8461 §3.2)."""
MAX_SIZE = 65_536
"""Octets of a policy; others take no more either (RFC 8461 §3.3)."""
MAX_HOSTS = 1000

_IDENTIFIER = re.compile(r"[A-Za-z0-9]{1,32}")
_HOST = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


class Mode(Enum):
    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


class PolicyError(ValueError):
    """It is no policy; the text says why."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain says."""

    mode: Mode
    max_age: int
    """Seconds for which it holds."""
    hosts: tuple[str, ...]
    """Its servers, in lower case; `*.` stands for one label."""

    def allows(self, name: str) -> bool:
        """Whether the server *name* is one of the domain's (RFC 8461 §4.1)."""
        name = name.lower().removesuffix(".")
        _, _, above = name.partition(".")
        return name in self.hosts or (above != "" and f"*.{above}" in self.hosts)

    @property
    def lines(self) -> tuple[str, ...]:
        """As it is published."""
        hosts = (f"mx: {host}" for host in self.hosts)
        return ("version: STSv1", f"mode: {self.mode.value}", *hosts, f"max_age: {self.max_age}")

    @property
    def identifier(self) -> str:
        """For the record: another one for another text."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:20]


def parse_record(texts: Sequence[bytes]) -> str | None:
    """The id of the policy that the TXT records of `_mta-sts.` announce; None: there is none (RFC 8461 §3.1)."""
    records = [each for each in (text.decode("latin-1") for text in texts) if _is_record(each)]
    if len(records) != 1:
        return None
    tags = dict(_tags(records[0].split(";")))
    identifier = tags.get("id", "")
    return identifier if _IDENTIFIER.fullmatch(identifier) else None


def _is_record(text: str) -> bool:
    return text.partition(";")[0].rstrip(" \t") == "v=STSv1"


def _tags(pieces: Iterable[str]) -> Iterable[tuple[str, str]]:
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if equals:
            yield name.strip(" \t"), value.strip(" \t")


def parse_policy(octets: bytes) -> Policy:
    """Raises PolicyError."""
    if len(octets) > MAX_SIZE:
        raise PolicyError(f"it is longer than {MAX_SIZE} octets")
    try:
        lines = octets.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise PolicyError("it is not text") from error
    hosts: dict[str, None] = {}
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if colon and name == "mx":
            hosts[_host(value)] = None
        elif colon:
            fields.setdefault(name, value)  # the first one counts (RFC 8461 §3.2)
    return _policy(fields, tuple(hosts))


def _policy(fields: dict[str, str], hosts: tuple[str, ...]) -> Policy:
    """Raises PolicyError."""
    if fields.get("version") != "STSv1":
        raise PolicyError("it does not say version: STSv1")
    if fields.get("mode") not in (known := [mode.value for mode in Mode]):
        raise PolicyError(f"its mode is none of {', '.join(known)}")
    age = fields.get("max_age", "")
    if not re.fullmatch(r"[0-9]{1,10}", age):
        raise PolicyError("it does not say for how long it holds (max_age)")
    mode = Mode(fields["mode"])
    if mode is not Mode.NONE and not hosts:
        raise PolicyError("it names no server (mx)")
    if len(hosts) > MAX_HOSTS:
        raise PolicyError(f"it names more than {MAX_HOSTS} servers")
    return Policy(mode, min(int(age), MAX_AGE), hosts)


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise PolicyError("one of its servers (mx) is no host name")
    return value.lower().removesuffix(".")
