"""Where DNS is asked: the system's resolvers, or those that [dns] names."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IResolver
from twisted.names.client import Resolver, createResolver


def dns_resolver(servers: Sequence[tuple[str, int]], reactor: Any) -> IResolver:
    """*servers*: addresses and ports; none: /etc/hosts, then those of /etc/resolv.conf."""
    resolver: IResolver = Resolver(servers=list(servers), reactor=reactor) if servers else createResolver()
    return resolver


def system_resolvers(path: str = "/etc/resolv.conf") -> Sequence[tuple[str, int]]:
    """Addresses and ports, as resolv.conf(5) has them; none: it is not there, or names none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError:
        return []
    named = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return [(address, 53) for address in named if _is_address(address)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
