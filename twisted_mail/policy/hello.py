"""What a client calls itself in HELO or EHLO, and whether that can be true (RFC 5321 §4.1.4), over `Lookups`.

Nothing here refuses anything: many honest servers have the wrong name.  Where DNS does not answer, nothing is known.
"""

from __future__ import annotations

import ipaddress
import re
from enum import Enum

from twisted_mail.networks import IPAddress
from twisted_mail.policy.dns import LookupFailed, Lookups


class Hello(Enum):
    """How good the name is."""

    GOOD = "good"
    """It leads to the client."""
    UNKNOWN = "unknown"
    """DNS does not say."""
    ELSEWHERE = "elsewhere"
    """It leads to other addresses only."""
    MISSING = "missing"
    """It leads nowhere."""
    NO_NAME = "no name"
    """It cannot be the name of a host on the Internet: `localhost`, `PC-17`."""
    LITERAL = "literal"
    """The client's own address, in brackets: allowed, and what servers do that have no name."""
    BARE_ADDRESS = "bare address"
    """An address without brackets, or in brackets one that is not the client's."""
    OURS = "ours"
    """This server's name or address."""


async def judge_hello(lookups: Lookups, hello: str, client: str, hostname: str) -> Hello:
    """*client*: its IP address; *hostname*: this server's."""
    name = hello.lower().removesuffix(".")
    if name == hostname:
        return Hello.OURS
    address = ipaddress.ip_address(client)
    address = getattr(address, "ipv4_mapped", None) or address
    claimed = _address_in(name)
    try:
        if claimed is not None and claimed != address:
            is_ours = claimed in await _addresses(lookups, hostname, claimed.version)
            return Hello.OURS if is_ours else Hello.BARE_ADDRESS
        if claimed is not None:
            return Hello.LITERAL if name.startswith("[") else Hello.BARE_ADDRESS
        if not _HOST.fullmatch(name):
            return Hello.NO_NAME
        found = await _addresses(lookups, name, address.version)
        if address in found:
            return Hello.GOOD
        exists = found or await _addresses(lookups, name, 4 if address.version == 6 else 6)
        return Hello.ELSEWHERE if exists else Hello.MISSING
    except LookupFailed:
        return Hello.UNKNOWN


async def _addresses(lookups: Lookups, name: str, version: int) -> list[IPAddress]:
    return [ipaddress.ip_address(text) for text in await lookups.addresses(name, version)]


def _address_in(name: str) -> IPAddress | None:
    """Whether with brackets (RFC 5321 §4.1.3) or without; None: it is none."""
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]").removeprefix("ipv6:"))
    except ValueError:
        return None


_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
# two labels at least; the last one is no number, and none that is never on the Internet (RFC 6761, RFC 6762)
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$)(?!(?:localdomain|localhost|local|invalid)$){_LABEL}")
