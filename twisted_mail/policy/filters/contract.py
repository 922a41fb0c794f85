"""What a filter of any kind is to the server: something that is asked at each step of a message's way."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime

from twisted_mail.content import Message
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient

T = TypeVar("T")


class FilterFailed(Exception):
    """The filter gave no answer, or none that can be understood."""

    is_fault = False
    """The cause is an error in the filter's own program, of which the log has everything."""


class FilterRaised(FilterFailed):
    is_fault = True


@dataclass(frozen=True, slots=True)
class Mail:
    """A message with its envelope, as one filter hands it to the next."""

    sender: Address | None
    recipients: tuple[Recipient, ...]
    """None left: it is thrown away, and the client hears that it was taken."""
    message: Message


class Inspection(Protocol):
    """What one filter says of one message.  Each method raises SMTPError (refused) or FilterFailed."""

    async def recipient(self, recipient: Recipient) -> None:
        """Of each that the server would take."""

    async def message(self, mail: Mail) -> Mail:
        """The last question: what is to be delivered.  Lets go of all that the filter holds."""

    def abort(self) -> None:
        """There will be no more questions.  Safe at any time, more than once."""


class Filter(Protocol):
    """One filter of the configuration."""

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> Inspection:
        """Ask about client and sender.  Raises SMTPError or FilterFailed."""


async def in_time(seconds: float, work: Coroutine[Any, Any, T], clock: IReactorTime) -> T:
    """What *work* gives.  Raises FilterFailed: it takes longer than that."""
    try:
        return await Deferred.fromCoroutine(work).addTimeout(seconds, clock)
    except DeferredTimeout as error:
        raise FilterFailed(f"no answer within {seconds:g} seconds") from error
