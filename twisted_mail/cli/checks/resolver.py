"""DNS for checks: blocking, with a time limit, and records as the text that a zone file has.

dnspython is imported where it is used: it takes a tenth of a second, which no other command shall pay.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dns.resolver

PATIENCE = 4.0
"""Seconds for a question, with all its repetitions."""


class NoAnswer(Exception):
    """DNS does not answer just now.  The text says who was asked and how it went."""


class Resolver:
    """Asks resolvers.  May be used by several threads."""

    def __init__(self, servers: Sequence[tuple[str, int]] = ()) -> None:
        """*servers*: addresses and ports; none: those of /etc/resolv.conf."""
        self._servers = servers

    def records(self, name: str, kind: str) -> list[str]:
        """The values of *name*'s records of a type; empty where there are none.  Raises NoAnswer.

        Texts are without quotes, names in lower case with the dot at the end.
        """
        import dns.exception
        import dns.rdatatype
        import dns.resolver

        try:
            answer = self._resolver().resolve(name, kind, raise_on_no_answer=False, search=False, lifetime=PATIENCE)
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise NoAnswer(f"no answer about {name} {kind}: {' '.join(str(error).split())}") from error
        if answer.rrset is None:
            return []
        if answer.rdtype == dns.rdatatype.TXT:
            return [b"".join(record.strings).decode("utf-8", "replace") for record in answer.rrset]
        return [record.to_text().lower() for record in answer.rrset]

    def names_of(self, address: str) -> list[str]:
        """What an IP address is called.  Raises NoAnswer."""
        return self.records(ipaddress.ip_address(address).reverse_pointer, "PTR")

    def _resolver(self) -> dns.resolver.Resolver:
        """One for each question: they are not made for several threads."""
        import dns.nameserver
        import dns.resolver

        if not self._servers:
            return dns.resolver.Resolver()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers]
        return resolver
