"""What a peer offers: its answer to EHLO or LHLO (RFC 5321 §4.1.1.1), as far as a client makes use of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twisted_mail.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class PeerOffer:
    """Keywords in upper case -> the words behind each.  Empty: the peer only knows HELO."""

    name: str = ""
    """What the peer calls itself."""
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def max_size(self) -> int | None:
        """Octets of one message (RFC 1870 §4); None: not said, or no fixed limit."""
        words = self.keywords.get("SIZE", ())
        return _number(words[0]) or None if words else None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms, in upper case."""
        return tuple(word.upper() for word in self.keywords.get("AUTH", ()))

    @property
    def max_recipients(self) -> int | None:
        """Of one message (RFC 9422 §4.2); None: not said."""
        return self._limit("RCPTMAX")

    @property
    def max_transactions(self) -> int | None:
        """On one connection (RFC 9422 §4.1); None: not said."""
        return self._limit("MAILMAX")

    def _limit(self, name: str) -> int | None:
        for word in self.keywords.get("LIMITS", ()):
            limit, _, value = word.partition("=")
            if limit.upper() == name:
                return _number(value) or None
        return None


def parse_offer(reply: Reply) -> PeerOffer:
    """From the positive answer to EHLO or LHLO."""
    first, *lines = reply.text.split("\n")
    keywords: dict[str, tuple[str, ...]] = {}
    for line in lines:
        # some servers of the last century write AUTH=LOGIN, for clients that are older still
        words = line.replace("AUTH=", "AUTH ", 1).split() if line.upper().startswith("AUTH=") else line.split()
        if words:
            keyword = words[0].upper()
            keywords[keyword] = (*keywords.get(keyword, ()), *words[1:])
    return PeerOffer(first.partition(" ")[0], keywords)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 20 else 0
