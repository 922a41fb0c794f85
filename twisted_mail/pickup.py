"""What programs on this machine have handed over with `mailserver send`: picked up, and sent on like any other message.

They put it into a queue of its own, which works without the server too (docs/decisions/0019).  Here one process takes
it from there within a second, and gives it to the same target as a message that came over the net: so it is traced,
goes to mailboxes here and to the queue for the world outside.  What cannot be delivered is reported to its sender.
"""

from __future__ import annotations

import os
from typing import Any

from twisted_mail.committing.committer import Committer
from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.queue.rounds import QueueOptions
from twisted_mail.queue.scheduler import Scheduler
from twisted_mail.queue.spool import Spool
from twisted_mail.smtp.address import Address


def pickup_folder(config: Config) -> str:
    return os.path.join(config.server_folder, "pickup")


class Pickup:
    """One object a process; one of them does the work, whichever has the lock."""

    def __init__(self, config: Config, committer: Committer, disk: Blocking, reactor: Any) -> None:
        """*disk*: how to wait for it; *reactor*: IReactorTime, which gives Unix time."""
        self._spool = Spool(pickup_folder(config), committer, disk, reactor)
        self._options = QueueOptions(config.hostname, destination_of=_here)
        self._clock = reactor
        self._scheduler: Scheduler | None = None

    def start(self, target: IDeliveryTarget, reports: IDeliveryTarget) -> None:
        """*target* takes the messages, *reports* what their senders are told."""
        self._scheduler = Scheduler(self._spool, target, reports, self._options, self._clock)
        self._scheduler.start()

    async def stop(self, seconds: float) -> None:
        """Give what is under way *seconds* to end."""
        if self._scheduler is not None:
            await self._scheduler.stop(seconds)


def _here(sender: Address | None, recipient: Address) -> str:
    """All recipients of a message go in one transaction: none of them waits for another server."""
    return "this server"
