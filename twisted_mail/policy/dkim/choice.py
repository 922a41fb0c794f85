"""In whose name a message is signed.  Pure.

A signature of the domain in From: proves that the message is from there.  So it is made only for whom that is true:
users who are logged in, programs on this machine, and ourselves.  What a stranger sent and we hand on is signed by a
domain of ours that has nothing to do with From:, or else a forgery that comes in would leave with our proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

LOCAL = "local"
"""The protocol of `mailserver send`."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a message is from, as far as it is known."""

    origin: Origin
    sender: Address | None
    authors: tuple[str, ...]
    """The domains in From:, in lower-case A-labels; none where one of its addresses cannot be read."""

    @property
    def is_known(self) -> bool:
        """Somebody answers for From:."""
        return bool(self.origin.user) or self.origin.protocol == LOCAL or self.is_ours

    @property
    def is_ours(self) -> bool:
        """A report or the like, made here: every peer says its name before it sends mail."""
        return not self.origin.peer and not self.origin.hello


def signing_domain(sender: Sender, hostname: str, has_keys: Callable[[str], bool]) -> str | None:
    """The d= of the signature; None: there is no domain that could sign.

    Where nobody can tell whom From: means, any domain might be the one that it seems to mean.
    """
    if not sender.authors:
        return None
    if sender.is_known:
        for author in sender.authors:
            names = _and_above(author) if sender.is_ours else [author]
            if found := next(filter(has_keys, names), None):
                return found
    others = (domain for domain in _own_domains(sender, hostname, has_keys))
    return next((domain for domain in others if not any(_related(domain, each) for each in sender.authors)), None)


def sealing_domain(sender: Sender, hostname: str, has_keys: Callable[[str], bool]) -> str | None:
    """The d= of the seal on what is handed on: a seal says nothing of From:, so that any domain of ours will do."""
    return next(iter(_own_domains(sender, hostname, has_keys)), None)


def _own_domains(sender: Sender, hostname: str, has_keys: Callable[[str], bool]) -> Iterable[str]:
    """That of the envelope's sender, which a forward has in a name of ours; that of the server."""
    if sender.sender is not None and has_keys(sender.sender.domain):
        yield sender.sender.domain
    yield from filter(has_keys, _and_above(hostname))


def _and_above(domain: str) -> list[str]:
    """*domain* and those that it is in."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(max(1, len(labels) - 1))]


def _related(one: str, other: str) -> bool:
    """Whether DMARC might take them for the same organisation.  Too often is safe, so no list of suffixes is needed."""
    return one.split(".")[-2:] == other.split(".")[-2:]
