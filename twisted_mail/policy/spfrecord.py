"""SPF records taken apart (RFC 7208 §5, §6, §12), and the macros in them (§7).  Pure: expanding takes plain values."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from twisted_mail.networks import Network

LONGEST_NAME = 253
LONGEST_RECORD = 10_000
"""Octets: far more than anybody needs, and no work for an attacker to make."""


class SPFSyntaxError(Exception):
    """The record is not what RFC 7208 §12 says; the text shows the wrong part."""


class Result(Enum):
    """What a check gives (RFC 7208 §2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


QUALIFIERS = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One directive."""

    text: str
    """As it was written."""
    result: Result
    """What it gives where it matches."""
    name: str
    domain: str = ""
    """Its domain-spec, macros and all; empty: the domain whose record it is."""
    prefixes: tuple[int, int] = (32, 128)
    """How many bits of IPv4 and IPv6 addresses must agree (a, mx)."""
    network: Network | None = None
    """ip4 and ip6."""


@dataclass(frozen=True, slots=True)
class Record:
    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""
    """A domain-spec; empty: none."""
    explanation: str = ""
    """A domain-spec: where the text for those that are refused is."""


# ---- macros: macro-expand = ( "%{" letter digits ["r"] delimiters "}" ) / "%%" / "%_" / "%-"  (§7.1)

_MACRO = re.compile(
    r"%(?:\{(?P<letter>[a-zA-Z])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[-.+,/_=]*)\}|[%_-])"
)
_LITERALS = {"%%": "%", "%_": " ", "%-": "%20"}
_LETTERS = "slodiphv"
_LETTERS_OF_EXPLANATIONS = _LETTERS + "crt"
_LITERAL = re.compile(r"[!-$&-~]*")
_LITERAL_OF_EXPLANATIONS = re.compile(r"[ -$&-~]*")
_TOP_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def _pieces(text: str, *, explaining: bool = False) -> Iterator[str | re.Match[str]]:
    """Literals and macros in turn.  Raises SPFSyntaxError."""
    literal = _LITERAL_OF_EXPLANATIONS if explaining else _LITERAL
    position = 0
    while position < len(text):
        if match := _MACRO.match(text, position):
            letter = match["letter"]
            known = _LETTERS_OF_EXPLANATIONS if explaining else _LETTERS
            if letter and (letter.lower() not in known or (match["digits"] and int(match["digits"][:4]) == 0)):
                raise SPFSyntaxError(text)
            yield match
        else:
            match = literal.match(text, position)
            if not match or not match.group():
                raise SPFSyntaxError(text)
            yield match.group()
        position = match.end()


def expand(text: str, values: Mapping[str, str], *, explaining: bool = False) -> str:
    """*values*: letter -> value; only those in `letters_in` are needed.  Raises SPFSyntaxError."""
    return "".join(
        piece if isinstance(piece, str) else _expanded(piece, values) for piece in _pieces(text, explaining=explaining)
    )


def letters_in(text: str) -> set[str]:
    """The letters of the macros in *text*, in lower case."""
    return {match["letter"].lower() for match in _MACRO.finditer(text) if match["letter"]}


def expand_domain(text: str, values: Mapping[str, str]) -> str:
    """A domain-spec as a name: labels from the left go until it is short enough (§7.3).  Raises SPFSyntaxError."""
    name = expand(text, values).removesuffix(".")
    while len(name) > LONGEST_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def _expanded(match: re.Match[str], values: Mapping[str, str]) -> str:
    letter = match["letter"]
    if letter is None:
        return _LITERALS[match.group()]
    parts = re.split("[" + re.escape(match["delimiters"] or ".") + "]", values[letter.lower()])
    if match["reverse"]:
        parts.reverse()
    if match["digits"]:
        parts = parts[-int(match["digits"][:4]) :]
    value = ".".join(parts)
    return quote(value, safe="-._~") if letter.isupper() else value


# ---- terms

_DIRECTIVE = re.compile(r"(?P<qualifier>[-+?~]?)(?P<name>[A-Za-z][A-Za-z0-9._-]*)(?P<rest>[:/].*)?\Z", re.DOTALL)
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9._-]*)=(?P<value>.*)\Z", re.DOTALL)
_PREFIXES = re.compile(r"(?:/(?P<four>0|[1-9][0-9]?))?(?://(?P<six>0|[1-9][0-9]{0,2}))?\Z")
_NETWORK = re.compile(r":(?P<address>[^/]+)(?:/(?P<prefix>0|[1-9][0-9]{0,2}))?\Z")


def is_spf(record: bytes) -> bool:
    """Whether a TXT record says that it is one of SPF (§4.5)."""
    return record.lower().partition(b" ")[0] == b"v=spf1"


def parse(record: bytes) -> Record:
    """Raises SPFSyntaxError."""
    try:
        text = record.decode("ascii")
    except UnicodeDecodeError:
        raise SPFSyntaxError("octets that are not ASCII") from None
    if len(text) > LONGEST_RECORD:
        raise SPFSyntaxError("its length")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in text[len("v=spf1") :].split(" "):
        if match := _MODIFIER.match(term):
            _take_modifier(match["name"].lower(), match["value"], modifiers)
        elif term:
            mechanisms.append(_mechanism(term))
    return Record(tuple(mechanisms), modifiers.get("redirect", ""), modifiers.get("exp", ""))


def _take_modifier(name: str, value: str, modifiers: dict[str, str]) -> None:
    if name not in ("redirect", "exp"):
        for _ in _pieces(value):  # unknown ones must look right all the same (§6)
            pass
        return
    if name in modifiers:
        raise SPFSyntaxError(f"two of {name}=")
    modifiers[name] = _domain_spec(value)


def _mechanism(term: str) -> Mechanism:
    match = _DIRECTIVE.match(term)
    name = match["name"].lower() if match else ""
    if match is None or name not in _MECHANISMS:
        raise SPFSyntaxError(term)
    result = QUALIFIERS[match["qualifier"] or "+"]
    return _MECHANISMS[name](term, result, name, match["rest"] or "")


def _alone(term: str, result: Result, name: str, rest: str) -> Mechanism:
    if rest:
        raise SPFSyntaxError(term)
    return Mechanism(term, result, name)


def _with_domain(term: str, result: Result, name: str, rest: str) -> Mechanism:
    if not rest.startswith(":"):
        raise SPFSyntaxError(term)
    return Mechanism(term, result, name, _domain_spec(rest[1:]))


def _with_optional_domain(term: str, result: Result, name: str, rest: str) -> Mechanism:
    return _with_domain(term, result, name, rest) if rest else _alone(term, result, name, rest)


def _with_prefixes(term: str, result: Result, name: str, rest: str) -> Mechanism:
    """[":" domain-spec] ["/" bits of IPv4] ["//" bits of IPv6]; a domain-spec may contain slashes itself."""
    match = _PREFIXES.search(rest)
    assert match is not None  # it may be empty
    four, six = int(match["four"] or 32), int(match["six"] or 128)
    if four > 32 or six > 128:
        raise SPFSyntaxError(term)
    domain = rest[: match.start()]
    mechanism = _with_optional_domain(term, result, name, domain)
    return Mechanism(term, result, name, mechanism.domain, (four, six))


def _with_network(term: str, result: Result, name: str, rest: str) -> Mechanism:
    match = _NETWORK.match(rest)
    version, longest = (4, 32) if name == "ip4" else (6, 128)
    try:
        if match is None or "%" in rest:
            raise ValueError
        address = ipaddress.ip_address(match["address"])
        prefix = int(match["prefix"]) if match["prefix"] else longest
        if address.version != version or prefix > longest:
            raise ValueError
    except ValueError:
        raise SPFSyntaxError(term) from None
    return Mechanism(term, result, name, network=ipaddress.ip_network((address, prefix), strict=False))


_Parse = Callable[[str, Result, str, str], Mechanism]

_MECHANISMS: Mapping[str, _Parse] = {
    "all": _alone,
    "include": _with_domain,
    "a": _with_prefixes,
    "mx": _with_prefixes,
    "ptr": _with_optional_domain,
    "ip4": _with_network,
    "ip6": _with_network,
    "exists": _with_domain,
}


def _domain_spec(text: str) -> str:
    last: str | re.Match[str] = ""
    for last in _pieces(text):  # noqa: B007  # the last one counts
        pass
    if not isinstance(last, str) and last["letter"] is not None:
        return text
    # domain-end: a macro, or "." toplabel ["."], which is no number
    _, dot, label = text.removesuffix(".").rpartition(".")
    if not dot or not _TOP_LABEL.fullmatch(label) or label.isdigit():
        raise SPFSyntaxError(text)
    return text
