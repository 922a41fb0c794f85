"""What a server that runs can take of a configuration that has changed, and what waits for the next start.

The rest is simple: another service is built with the new configuration and opened at the same ports, then the old one
takes no more connections and ends with its last one (mailserver.py, docs/decisions/0025).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from twisted_mail.config import Config
from twisted_mail.listenaddress import ListenAddress
from twisted_mail.listeners import BoundAddress, bind_all

AT_START = ("data", "log", "journal")
"""Keys and sections that take effect when the server starts, and not before."""


def takeable(running: Config, wanted: Config) -> tuple[Config, Sequence[str]]:
    """*wanted* as far as it can be taken now, and which keys of it cannot."""
    later = [name for name in AT_START if getattr(running, name) != getattr(wanted, name)]
    log = replace(wanted.log, format=running.log.format)  # "auto" has been decided
    kept = {name: getattr(running, name) for name in AT_START}
    if log == running.log and "log" in later:
        later.remove("log")
    return replace(wanted, **kept), later


def rebound(
    bound: Mapping[str, Sequence[BoundAddress]], wanted: Mapping[str, Sequence[ListenAddress]]
) -> tuple[dict[str, Sequence[BoundAddress]], Sequence[BoundAddress]]:
    """*wanted* bound, with what is *bound* already left as it is; and those that nobody wants any more.

    Raises ConfigError: nothing has been bound then.
    """
    spare = [each for several in bound.values() for each in several]
    kept: list[BoundAddress | None] = []
    addresses = [each for several in wanted.values() for each in several]
    for address in addresses:
        same = next((each for each in spare if each.address.text == address.text), None)
        if same is not None:
            spare.remove(same)
        kept.append(same)
    new = iter(bind_all([address for address, same in zip(addresses, kept, strict=True) if same is None]))
    all_bound = iter([same or next(new) for same in kept])
    return {name: [next(all_bound) for _ in several] for name, several in wanted.items()}, spare


def close_new(bound: Mapping[str, Sequence[BoundAddress]], kept: Mapping[str, Sequence[BoundAddress]]) -> None:
    """Close what `rebound` has added to *kept*: the change is given up."""
    old = [each for several in kept.values() for each in several]
    for address in (each for several in bound.values() for each in several):
        if not any(address is each for each in old):
            address.close()
