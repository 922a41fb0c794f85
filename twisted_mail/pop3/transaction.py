"""The TRANSACTION state: a listing, what is marked as deleted, and the replies about both (RFC 1939 §5).

Message numbers never shift.  While nothing is marked, LIST and UIDL are the listing's ready-made octets.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.reply import POP3Error
from twisted_mail.pop3.texts import Text


class Transaction:
    """One logged-in session's view of its maildrop."""

    __slots__ = ("_deleted", "_deleted_size", "_listing", "downgraded", "sizes")

    def __init__(self, listing: Listing, utf8: bool) -> None:
        """*utf8*: the client takes messages as they are (RFC 6856 §2)."""
        self._listing = listing if utf8 else listing.in_ascii
        self.sizes = self._listing.sizes
        """Octets of each message, by index."""
        self.downgraded = {} if utf8 else listing.downgraded
        """Those that must be put into ASCII for this client (see Listing)."""
        self._deleted: set[int] = set()
        self._deleted_size = 0

    @property
    def deleted(self) -> frozenset[int]:
        """Indexes (from 0) of what is marked."""
        return frozenset(self._deleted)

    @property
    def count(self) -> int:
        """Messages that are not marked."""
        return len(self.sizes) - len(self._deleted)

    @property
    def octets(self) -> int:
        """Octets of the messages that are not marked."""
        return self._listing.total_size - self._deleted_size

    def index_of(self, number: int) -> int:
        """The index of message *number*.  Raises POP3Error: there is none, or it is marked."""
        index = number - 1
        if not 0 <= index < len(self.sizes):
            raise POP3Error(Text.NO_MESSAGE, counts=False, number=number, count=len(self.sizes))
        if index in self._deleted:
            raise POP3Error(Text.MESSAGE_DELETED, counts=False, number=number)
        return index

    def sendable(self, number: int) -> int:
        """The index of message *number*.  Raises POP3Error also where the client would not understand it."""
        index = self.index_of(number)
        if self.downgraded and self.downgraded.get(index) == 0:
            raise POP3Error(Text.UTF8_NEEDED, code="UTF8", counts=False)
        return index

    def uid_of(self, index: int) -> str:
        return self._listing.uids[index]

    def scan_lines(self) -> bytes:
        """What LIST lists."""
        return self._lines(self.sizes) if self._deleted else self._listing.scan_lines

    def uid_lines(self) -> bytes:
        """What UIDL lists."""
        return self._lines(self._listing.uids) if self._deleted else self._listing.uid_lines

    def mark(self, index: int) -> None:
        """DELE."""
        self._deleted.add(index)
        self._deleted_size += self.sizes[index]

    def unmark_all(self) -> None:
        """RSET."""
        self._deleted.clear()
        self._deleted_size = 0

    def _lines(self, values: Sequence[int] | Sequence[str]) -> bytes:
        deleted = self._deleted
        lines = [f"{index + 1} {value}\r\n" for index, value in enumerate(values) if index not in deleted]
        return "".join(lines).encode("ascii")
