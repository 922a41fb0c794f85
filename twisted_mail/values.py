"""What the values of mailserver.toml may be: readers, for `settings.setting`.

Each takes a value as TOML gives it and its Place, and returns it typed, or raises ValueError in words for who wrote it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from twisted_mail.delivery.chaos import Mishap, parse_refusal
from twisted_mail.listenaddress import ListenAddress
from twisted_mail.networks import Network, parse_network
from twisted_mail.protocols.destination import Destination, parse_destination
from twisted_mail.records.logfile import LEVEL_NAMES, SUBSYSTEMS
from twisted_mail.settings import Place, Reader
from twisted_mail.smtp.address import AddressError, parse_address, parse_domain
from twisted_mail.units import parse_duration, parse_rate, parse_size

PASSWORD_MECHANISMS = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN")
"""In the order in which they are offered."""

T = TypeVar("T")


def text(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise ValueError(f'must be a text; write {place.key.rpartition(".")[2]} = "..."')
    return value


def flag(value: object, place: Place) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")
    return value


def count(value: object, place: Place) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("must be a whole number from 1 up, without quotes")
    return value


def octets(value: object, place: Place) -> int:
    return count(value, place) if isinstance(value, int) else parse_size(text(value, place))


def duration(value: object, place: Place) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f'needs a unit; write "{value} seconds" or "{value} minutes"')
    return parse_duration(text(value, place))


def duration_or_none(value: object, place: Place) -> int:
    """0 is none, with a unit or without."""
    written = str(value) if isinstance(value, int) else text(value, place)
    return 0 if re.fullmatch(r"0 *[a-z]*", written) else duration(value, place)


def delay(value: object, place: Place) -> int:
    return 0 if value == "off" else duration(value, place)


def rate(value: object, place: Place) -> tuple[int, int] | None:
    return parse_rate(text(value, place))


def or_inherited(read: Reader[T]) -> Reader[T | None]:
    """For keys whose default is what another section says: None then."""
    return lambda value, place: None if value is None else read(value, place)


def list_of(read: Reader[T], example: str, *, empty: bool = True) -> Reader[tuple[T, ...]]:
    """*empty*: there may be none."""

    def read_list(value: object, place: Place) -> tuple[T, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value) or not (value or empty):
            none = ", or [] for none" if empty else ""
            raise ValueError(f"must be a list of texts; write {place.key.rpartition('.')[2]} = [{example}]{none}")
        return tuple(read(item, place) for item in value)

    return read_list


def mechanism(value: object, place: Place) -> str:
    name = text(value, place).upper()
    if name not in PASSWORD_MECHANISMS:
        raise ValueError(f'"{value}" is not a mechanism for passwords; there is {", ".join(PASSWORD_MECHANISMS)}')
    return name


def mechanisms(value: object, place: Place) -> tuple[str, ...]:
    if value == "auto":
        return ()
    if isinstance(value, str):
        raise ValueError('must be a list of texts, as in ["PLAIN", "LOGIN"], or "auto"')
    names = list_of(mechanism, '"PLAIN", "LOGIN"')(value, place)
    return tuple(name for name in PASSWORD_MECHANISMS if name in names)


def one_of(*words: str) -> Reader[str]:
    def read_word(value: object, place: Place) -> str:
        if value not in words:
            raise ValueError(f'must be one of {", ".join(words)}; write {place.key.rpartition(".")[2]} = "{words[0]}"')
        return str(value)

    return read_word


def workers(value: object, place: Place) -> int:
    if value == "auto":
        return len(os.sched_getaffinity(0))
    if isinstance(value, str):
        raise ValueError('must be a whole number without quotes, or "auto" for one a core')
    return count(value, place)


def hostname(value: object, place: Place) -> str:
    try:
        return parse_domain(text(value, place))
    except AddressError as error:
        raise ValueError(f'{error}; write the full name of this machine, as in "mail.example.org"') from error


def domain(value: object, place: Place) -> str:
    try:
        return parse_domain(text(value, place))
    except AddressError as error:
        raise ValueError(f'{error}; write a domain, as in "example.net"') from error


def optional_address(value: object, place: Place) -> str:
    try:
        return str(parse_address(text(value, place))) if value != "" else ""
    except AddressError as error:
        raise ValueError(f'{error}; write an address, as in "dmarc@example.org"') from error


def path(value: object, place: Place) -> str:
    written = text(value, place)
    if not written or "\0" in written:
        raise ValueError("must be the path of a file or folder")
    return os.path.normpath(os.path.join(place.folder, os.path.expanduser(written)))


def optional_path(value: object, place: Place) -> str | None:
    return path(value, place) if value != "" else None


def file_if_there(value: object, place: Place) -> str | None:
    """A default path that nobody wrote down counts only when the file exists."""
    wanted = path(value, place)
    return wanted if place.is_written or os.path.exists(wanted) else None


def listen_address(value: object, place: Place) -> ListenAddress:
    return ListenAddress.parse(text(value, place), str(place) if place.key else "")


def network(value: object, place: Place) -> Network:
    return parse_network(text(value, place))


def dns_server(value: object, place: Place) -> tuple[str, int]:
    """Address and port."""
    written = text(value, place)
    match = re.fullmatch(r"\[(?P<six>[^\]]+)\](?::(?P<port6>[0-9]+))?|(?P<four>[0-9.]+)(?::(?P<port>[0-9]+))?", written)
    try:
        address = ipaddress.ip_address((match and (match["six"] or match["four"])) or written)
    except ValueError:
        raise ValueError(f'"{written}" is not the address of a resolver; write it like "192.0.2.53"') from None
    port = int((match and (match["port"] or match["port6"])) or 53)
    if not 0 < port < 65536:
        raise ValueError(f'"{written}" ends in a port that does not exist; write it like "192.0.2.53:53"')
    return str(address), port


def web_address(value: object, place: Place) -> str:
    written = text(value, place)
    url = urlsplit(written)
    local = url.scheme == "http" and url.hostname in ("localhost", "127.0.0.1", "::1")
    if written and not (url.hostname and (url.scheme == "https" or local)):
        raise ValueError(f'"{written}" must begin with https://')
    return written


def keys(value: object, place: Place) -> str:
    written = text(value, place)
    return web_address(written, place) if "://" in written else optional_path(written, place) or ""


def client_endpoint(value: object, place: Place) -> str:
    written = text(value, place)
    if written and ":" not in written:
        raise ValueError(f'"{written}" is not an endpoint; write it like "tcp:{written}:587"')
    return written


def mishap(value: object, place: Place) -> Mishap:
    """`PATTERN CODE [STATUS] [WORDS]`, `PATTERN wait DURATION` or `PATTERN drop`."""
    pattern, _, what = text(value, place).partition(" ")
    verb, _, rest = what.partition(" ")
    if verb == "wait":
        return Mishap(pattern.lower(), wait=parse_duration(rest))
    if what == "drop":
        return Mishap(pattern.lower(), drop=True)
    if (reply := parse_refusal(what)) is None:
        raise ValueError(
            f'"{value}" is no rule; write "full@* 452 4.2.2 Mailbox full", "slow@* wait 5 seconds" or "gone@* drop"'
        )
    return Mishap(pattern.lower(), reply=reply)


def routes(value: object, place: Place) -> Mapping[str, Destination]:
    if not isinstance(value, dict):
        raise ValueError('is a section; write [routes], and below it lines like "example.net" = "tcp:192.0.2.1:25"')
    found = {}
    for domain, endpoint in value.items():
        if not isinstance(endpoint, str):
            raise ValueError(f'"{domain}" needs an endpoint, and quotes around it: "example.net" = "tcp:192.0.2.1:25"')
        dot = "." if domain.startswith(".") else ""
        try:
            found[dot + parse_domain(domain.removeprefix("."))] = parse_destination(endpoint)
        except AddressError as error:
            raise ValueError(f'{error}; write it like "example.net", or ".example.net" for all below it') from error
    return found


def level(value: object, place: Place) -> str:
    name = text(value, place)
    if name not in LEVEL_NAMES:
        raise ValueError(f'"{name}" is not a level; there is {", ".join(LEVEL_NAMES)}')
    return name


def levels(value: object, place: Place) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueError('must name subsystems and their levels; write levels = { queue = "debug" }')
    for subsystem in value:
        if subsystem not in SUBSYSTEMS:
            raise ValueError(f'"{subsystem}" is not a subsystem; there is {", ".join(SUBSYSTEMS)}')
    return {subsystem: level(name, place) for subsystem, name in value.items()}


def log_format(value: object, place: Place) -> str:
    if value not in ("auto", "text", "json"):
        raise ValueError('must be "auto", "text" or "json"')
    return str(value)
