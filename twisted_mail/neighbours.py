"""What the processes that serve the same ports have in common."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_mail.auth.recent import RecentLogins
from twisted_mail.auth.throttle import Throttle
from twisted_mail.committing.committer import Committer
from twisted_mail.protocols.limits import HostCounts


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What this process shares with the others."""

    committer: Committer
    """Of the whole server, where it is a process."""
    counts: HostCounts
    throttle: Throttle
    recent: RecentLogins
    leads: bool
    """It alone has the timers and what else there must be once."""
