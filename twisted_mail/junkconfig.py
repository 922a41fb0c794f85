"""The [junk] section of the configuration: whose word is taken for what is junk."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_mail import values
from twisted_mail.networks import Networks
from twisted_mail.policy.lists import DNSList
from twisted_mail.settings import Place, setting

REJECT = "reject"


def dns_list(value: object, place: Place) -> DNSList:
    """`ZONE`, or `ZONE=CODES`, a network of answers."""
    zone, equals, codes = values.text(value, place).partition("=")
    return DNSList(values.domain(zone, place), Networks((values.network(codes, place),)) if equals else None)


_LISTS = values.list_of(dns_list, '"bl.example.net", "mixed.example.net=127.0.0.2"')


@dataclass(frozen=True, slots=True)
class Junk:
    """Lists of addresses in DNS, for mail from other servers."""

    block_lists: tuple[DNSList, ...] = setting(_LISTS, [])
    allow_lists: tuple[DNSList, ...] = setting(_LISTS, [])
    """They outweigh the others."""
    action: str = setting(values.one_of("junk", REJECT), "junk")
    """What happens to mail from an address on a block list."""
