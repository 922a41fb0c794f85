"""The [junk] section of the configuration: whose word is taken for what is junk, and who shall come again."""

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


def points(value: object, place: Place) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 100:
        raise ValueError("must be a number over 0, without quotes, as in 3 or 2.5")
    return float(value)


_LISTS = values.list_of(dns_list, '"bl.example.net", "mixed.example.net=127.0.0.2"')


@dataclass(frozen=True, slots=True)
class Junk:
    """For mail from other servers."""

    block_lists: tuple[DNSList, ...] = setting(_LISTS, [])
    allow_lists: tuple[DNSList, ...] = setting(_LISTS, [])
    """They outweigh the others."""
    action: str = setting(values.one_of("junk", REJECT), "junk")
    """What happens to mail from an address on a block list."""
    greylist: bool = setting(values.flag, True)
    """Suspicious mail of unknown senders shall come again."""
    greylist_points: float = setting(points, 3)
    """With which it is suspicious; ENOUGH of them make junk (message/evidence.py)."""
    greylist_delay: int = setting(values.duration, "5 minutes")
    """Seconds until it may come again."""
    greylist_memory: int = setting(values.duration, "36 days")
    """Seconds for which a sender who has come again is remembered."""
