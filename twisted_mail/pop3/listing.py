"""A maildrop's messages as one immutable value, with the multi-line replies about it (RFC 1939 §5, §7).

The replies are made once a listing, not once a command: a listing may be shared by the sessions of many logins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Listing:
    """Message number n has index n - 1 in both sequences."""

    sizes: Sequence[int]
    """Octets on the wire, before dots are stuffed: exactly what RETR sends (RFC 1939 §11)."""
    uids: Sequence[str]
    """1 to 70 characters of 0x21 to 0x7E each, the same in every session (RFC 1939 §7)."""

    downgraded: Mapping[int, int] = field(default_factory=dict)
    """Index of each internationalised message -> octets on the wire once its header is in ASCII (message/downgrade.py);
    0: it can only be sent as it is."""

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def in_ascii(self) -> Listing:
        """The same messages for a client that has not asked for UTF8: sizes are those of what it is sent."""
        if not self.downgraded:
            return self
        sizes = [self.downgraded.get(index) or size for index, size in enumerate(self.sizes)]
        return Listing(sizes, self.uids, self.downgraded)

    @cached_property
    def total_size(self) -> int:
        """Octets of all messages."""
        return sum(self.sizes)

    @cached_property
    def scan_lines(self) -> bytes:
        """The body of LIST's reply while nothing is marked as deleted, without its terminator."""
        return "".join([f"{number} {size}\r\n" for number, size in enumerate(self.sizes, 1)]).encode("ascii")

    @cached_property
    def uid_lines(self) -> bytes:
        """The body of UIDL's reply while nothing is marked as deleted, without its terminator."""
        return "".join([f"{number} {uid}\r\n" for number, uid in enumerate(self.uids, 1)]).encode("ascii")


EMPTY = Listing((), ())
"""Of a session that has not logged in."""
