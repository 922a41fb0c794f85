"""What is thought of a network or a domain, from what users have said of its mail and how much of it came.  Pure.

An account moves one point at most, all of them together MOST: what others say is a hint, and decides nothing alone.
All mail that came and was no junk speaks a little for who sent it: else the large providers, from whom there is some
junk too, would look worse the more people complain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted_mail.message.evidence import Evidence

MOST = 3.0
"""Points, in either direction."""
SILENT = 0.1
"""A message that came, in messages of which an account has said that they are good."""
KNOWN_AFTER = 2
"""Earlier days with mail that was no junk, after which a sender is no stranger."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What one account has said of a subject: how many messages, the older ones less."""

    junk: float
    good: float

    def points(self, seen: float) -> float:
        """-1 (all good) to 1 (all junk); a single message is half of either.  *seen*: as in `Esteem`."""
        more_junk = self.junk - self.good
        doubt = 1.0 + (SILENT * seen if more_junk > 0 else 0.0)
        return more_junk / (self.junk + self.good + doubt)


@dataclass(frozen=True, slots=True)
class Esteem:
    """Of one subject."""

    subject: str = ""
    """A network as `192.0.2.0/24`, or a domain."""
    voices: Sequence[Voice] = ()
    seen: float = 0.0
    """Messages that came and were no junk, the older ones less."""
    days: int = 0
    """Before today, on which such came."""

    @property
    def points(self) -> float:
        """Over 0: for junk.  In tenths."""
        total = sum(voice.points(self.seen) for voice in self.voices)
        return round(max(-MOST, min(MOST, total)), 1)

    @property
    def is_good(self) -> bool:
        """It is known, and nobody thinks ill of it; or users think well of it."""
        return self.points < 0 or (self.points == 0 and self.days >= KNOWN_AFTER)

    def evidence(self) -> Evidence | None:
        if not self.points:
            return None
        called = "junk" if self.points > 0 else "good"
        count = sum(1 for voice in self.voices if (voice.junk > voice.good) == (self.points > 0))
        users = "a user has" if count == 1 else f"{count} users have"
        return Evidence(self.points, f"{users} called mail from {self.subject} {called}")
