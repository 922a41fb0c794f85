"""What a client does between login and QUIT: the commands of the TRANSACTION state (RFC 1939 §5, §7).

All but QUIT are answered here, from the listing and from the messages that are at hand; RETR and TOP of others are
questions to the server.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_mail.pop3.events import Retrieve, Update
from twisted_mail.pop3.reply import END, POP3Error, Replies
from twisted_mail.pop3.texts import Text
from twisted_mail.pop3.transaction import Transaction
from twisted_mail.pop3.transfer import Transfer

AtHand = Callable[[int], bytes | None]
"""The text of the message with that index (from 0); None: ask for it."""
Sent = tuple[int, int | None]
"""A message's index, and of TOP how many lines."""


class Reading:
    """The commands of one session.  They raise POP3Error."""

    __slots__ = ("_at_hand", "_drop", "_replies", "_transfer", "sent")

    def __init__(
        self, transaction: Transaction, replies: Replies, transfer: Transfer, at_hand: AtHand | None = None
    ) -> None:
        """*at_hand* gives messages that need not be waited for."""
        self._drop = transaction
        self._replies = replies
        self._transfer = transfer
        self._at_hand = at_hand or _nothing
        self.sent: list[Sent] = []
        """What was sent."""

    def stat(self) -> None:
        # the two numbers and nothing else: RFC 1939 §5 discourages more
        self._replies.say(b"+OK %d %d\r\n" % (self._drop.count, self._drop.octets))

    def list(self, number: int | None) -> None:
        drop = self._drop
        if number is None:
            self._replies.accept(Text.MESSAGES, count=drop.count, octets=drop.octets)
            self._replies.send(drop.scan_lines() + END)
        else:
            self._replies.say(b"+OK %d %d\r\n" % (number, drop.sizes[drop.index_of(number)]))

    def uidl(self, number: int | None) -> None:
        drop = self._drop
        if number is None:
            self._replies.accept(Text.UNIQUE_IDS)
            self._replies.send(drop.uid_lines() + END)
        else:
            self._replies.say(f"+OK {number} {drop.uid_of(drop.index_of(number))}\r\n".encode("ascii"))

    def retrieve(self, number: int, lines: int | None = None) -> Retrieve | None:
        """RETR; with *lines* TOP."""
        drop = self._drop
        index = drop.sendable(number)
        text = self._at_hand(index)
        if text is None:
            return Retrieve(index, lines)
        self._transfer.send(text, drop.sizes[index], lines, index in drop.downgraded)
        self.sent.append((index, lines))
        return None

    def start(self, question: Retrieve) -> None:
        """It is answered with a message that comes in pieces."""
        index, drop = question.index, self._drop
        self._transfer.start(drop.sizes[index], question.lines, index in drop.downgraded)

    def end(self, question: Retrieve) -> None:
        """All pieces were given."""
        self._transfer.end()
        self.sent.append((question.index, question.lines))

    def dele(self, number: int) -> None:
        self._drop.mark(self._drop.index_of(number))
        self._replies.accept(Text.MARKED, number=number)

    def rset(self) -> None:
        self._drop.unmark_all()
        self._replies.accept(Text.NOTHING_DELETED, count=self._drop.count, octets=self._drop.octets)

    def noop(self) -> None:
        self._replies.accept(Text.NOTHING_DONE)

    def last(self) -> None:
        raise POP3Error(Text.LAST_IS_GONE, counts=False)

    def quit(self) -> Update:
        return Update(self._drop.deleted)


def _nothing(index: int) -> None:
    """All has to be asked for."""
