"""A message as it leaves: what of it decides over its way, and the form in which a server can take it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from twisted_mail.content import Blocking, Message, message_of
from twisted_mail.message.recoding import CannotRecode, seven_bit
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.client_commands import Content
from twisted_mail.smtp.client_offer import PeerOffer
from twisted_mail.smtp.envelope import Body, MailOptions
from twisted_mail.smtp.reply import SMTPError

MAX_RECODED = 16 * 1024 * 1024
"""Octets of a message that is still encoded anew for a server without 8BITMIME: it is held in memory for that."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What travels, but for its recipients."""

    sender: Address | None
    options: MailOptions
    content: Content
    message: Message
    sign_again: Callable[[Message], Awaitable[Message]]
    """Signatures over the whole message do not survive another encoding."""
    waives_tls: bool = False
    """Its author prefers that it arrives, whatever the recipient's domain says about TLS (RFC 8689 §5)."""

    async def as_taken_by(self, offer: PeerOffer, blocking: Blocking) -> Letter:
        """In ASCII, where the server takes nothing else (RFC 6152 §3).

        Raises SMTPError, 5yz: it must not be changed.  Raises OSError: it cannot be read.
        """
        content = self.content
        fits = content.body_is_ascii or "8BITMIME" in offer
        if fits or not content.header_is_ascii or self.options.body is Body.BINARY_MIME:
            return self
        if self.message.size > MAX_RECODED:
            raise _must_stay("it is too large")
        message = await blocking(self._in_seven_bit)
        assert isinstance(message, Message)
        message = await self.sign_again(message)
        return replace(self, content=Content(message.wire_size), message=message)

    def _in_seven_bit(self) -> Message:
        """Blocks."""
        try:
            return message_of(self.message.id, seven_bit(b"".join(self.message.pieces())))
        except CannotRecode as error:
            raise _must_stay(str(error)) from error


async def look_at(message: Message, options: MailOptions, blocking: Blocking) -> Content:
    """Looks at every octet; a large message is read in a thread.  Raises OSError: it cannot be read."""
    size = message.size if options.body is Body.BINARY_MIME else message.wire_size
    header = message.header.isascii()
    body = message.body
    if isinstance(body, bytes):
        return Content(size, header, body.isascii())
    return Content(size, header, bool(await blocking(lambda: all(piece.isascii() for piece in body.pieces()))))


def _must_stay(why: str) -> SMTPError:
    return SMTPError.of(554, "6.3", f"The server takes 7-bit text only, and the message cannot be made that: {why}")
