"""Networks as an administrator lists them, `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`, and what counts as one host."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

REMEMBERED = 4096
"""Hosts whose key need not be worked out again: a busy one comes often."""


def parse_network(text: str) -> Network:
    """One address or network.  Raises ValueError, in words for who wrote it."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'"{text}" is not a network; write it like "192.0.2.7" or "10.0.0.0/8"') from None
    raise ValueError(f'"{text}" has bits behind its prefix; write "{network}"')


@dataclass(frozen=True, slots=True)
class Networks:
    """Several of them."""

    networks: tuple[Network, ...]

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __contains__(self, host: str) -> bool:
        """Whether *host*, an IP address as text, is in one of them.  Mapped IPv4 addresses count as IPv4."""
        address = _address(host) if self.networks else None
        return address is not None and any(address in network for network in self.networks)


NOBODY = Networks(())


@lru_cache(REMEMBERED)
def host_key(host: str) -> str:
    """What counts as one host: an IPv4 address, a /64 of IPv6; empty for one of this machine, which is not counted."""
    address = _address(host)
    if address is None or address.is_loopback:
        return ""
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64))) if address.version == 6 else str(address)


@lru_cache(REMEMBERED)
def neighbourhood(host: str) -> str:
    """The network that stands for a host's operator: a /24 of IPv4, a /48 of IPv6; empty for what is no IP address."""
    address = _address(host)
    if address is None:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


@lru_cache(REMEMBERED)
def _address(host: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
