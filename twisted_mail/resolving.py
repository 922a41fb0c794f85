"""Where DNS is asked: the system's resolvers, or those that [dns] names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IResolver
from twisted.names.client import Resolver, createResolver


def dns_resolver(servers: Sequence[tuple[str, int]], reactor: Any) -> IResolver:
    """*servers*: addresses and ports; none: /etc/hosts, then those of /etc/resolv.conf."""
    resolver: IResolver = Resolver(servers=list(servers), reactor=reactor) if servers else createResolver()
    return resolver
