"""Networks as an administrator lists them: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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

    def __contains__(self, host: str) -> bool:
        """Whether *host*, an IP address as text, is in one of them.  Mapped IPv4 addresses count as IPv4."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in network for network in self.networks)
