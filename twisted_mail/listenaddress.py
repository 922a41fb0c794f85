"""Where a service listens: the server endpoint strings of Twisted (`tcp:25`, `tcp6:25`, `unix:/run/lmtp:mode=660`).

They are taken apart when the configuration is read, so that a wrong one is refused with its line, and so that the
listeners can bind the sockets themselves.  Kinds that other programs add to Twisted are passed on as text.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_SEPARATOR = re.compile(r"(?<!\\):")
_ESCAPED = re.compile(r"\\(.)")

_PARAMETERS: Mapping[str, Sequence[str]] = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "interface", "backlog"),
    "unix": ("address", "mode", "backlog", "lockfile"),
}
"""Kind -> its parameters in the order in which they may stand without a name."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """One endpoint to listen at."""

    text: str
    """The endpoint string as it was written."""
    kind: str
    """`tcp`, `tcp6`, `unix`, or the first word of an endpoint string that only Twisted understands."""
    port: int | None = None
    """tcp and tcp6; 0 lets the system choose."""
    interface: str = ""
    """tcp and tcp6: an IP address; empty for all."""
    backlog: int = 50
    path: str = ""
    """unix: the socket."""
    mode: int | None = None
    """unix: permissions of the socket."""
    where: str = field(default="", compare=False)
    """File, line and key, to begin an error text with; empty for an address of our own."""

    @property
    def is_loopback(self) -> bool:
        """Nobody from another machine can reach it."""
        if self.kind == "unix":
            return True
        return bool(self.interface) and ipaddress.ip_address(self.interface).is_loopback

    @classmethod
    def parse(cls, text: str, where: str = "") -> ListenAddress:
        """Raises ValueError, in words for who wrote it."""
        kind, *arguments = _SEPARATOR.split(text)
        if kind not in _PARAMETERS:
            _check_foreign_kind(text, kind, arguments)
            return cls(text, kind, where=where)
        values = _named(text, _PARAMETERS[kind], arguments)
        backlog = _number(text, "backlog", values.get("backlog", "50"), 10, 65_535)
        if kind == "unix":
            path = values.get("address", "")
            if not path.startswith("/"):
                raise ValueError(f'"{text}" needs the full path of the socket; write "unix:/run/lmtp.sock:mode=660"')
            mode = _number(text, "mode", values["mode"], 8, 0o777) if "mode" in values else None
            return cls(text, kind, backlog=backlog, path=path, mode=mode, where=where)
        port = _number(text, "port", values.get("port", ""), 10, 65_535)
        return cls(text, kind, port, _interface(text, values.get("interface", "")), backlog, where=where)


def _check_foreign_kind(text: str, kind: str, arguments: Sequence[str]) -> None:
    if not arguments:
        raise ValueError(f'"{text}" is not an endpoint; write it like "tcp:25" or "tcp:25:interface=127.0.0.1"')
    if kind == "haproxy":
        raise ValueError(f'"{text}": haproxy: is not safe for mail, the greeting goes out too early; write "tcp:..."')
    if near := difflib.get_close_matches(kind.lower(), _PARAMETERS, 1):
        raise ValueError(f'"{text}" begins with an unknown kind of endpoint; write "{near[0]}:" instead of "{kind}:"')


def _named(text: str, names: Sequence[str], arguments: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not equals:
            if position >= len(names):
                raise ValueError(f'"{text}" has too many parts; it takes {", ".join(names)}')
            name, value = names[position], argument
        if name not in names:
            raise ValueError(f'"{text}": unknown parameter "{name}"; it takes {", ".join(names)}')
        values[name] = _ESCAPED.sub(r"\1", value)
    return values


def _number(text: str, name: str, value: str, base: int, largest: int) -> int:
    try:
        number = int(value, base)
    except ValueError:
        number = -1
    if not 0 <= number <= largest:
        written = f'"{value}"' if value else "missing"
        kind = "an octal number up to 777" if base == 8 else f"a number from 0 to {largest}"
        raise ValueError(f'"{text}": {name} is {written}; it must be {kind}')
    return number


def _interface(text: str, value: str) -> str:
    if not value:
        return ""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(
            f'"{text}": the interface "{value}" is not an IP address; write interface=127.0.0.1, '
            r"or tcp6 with interface=\:\:1"
        ) from None
