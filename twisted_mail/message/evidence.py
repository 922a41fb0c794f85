"""What speaks for a message being junk, and what against it: reasons with points, which add up.  Pure.

Whoever finds something adds it to the message (`Message.with_evidence`); the sum alone decides.  A mailbox writes all
of it into one field of the header, for people; what others wrote under that name goes when our checks look at a
message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from twisted_mail.message.header import fields, without_field

NAME = "X-Junk"
LONGEST_REASON = 200
SEPARATOR = ";\n "

ENOUGH = 5.0
"""Points with which a message is junk."""


@dataclass(frozen=True, slots=True)
class Evidence:
    points: float
    """Over 0: for junk.  ENOUGH decides alone."""
    reason: str
    """For people, one clause: `192.0.2.1 is on bl.example (127.0.0.2)`."""
    is_personal: bool = False
    """What one account thinks; it is nobody else's business."""

    def __str__(self) -> str:
        """`+5 192.0.2.1 is on bl.example (127.0.0.2)`; a reason may hold anything."""
        return f"{self.points:+g} {re.sub(r'[^ -~]|;', '?', self.reason)[:LONGEST_REASON]}"


def counted(evidence: Sequence[Evidence]) -> Sequence[Evidence]:
    """Those that count: nothing speaks in favour where a finding is enough by itself.

    That a client or its words are well known is no answer to what an owner says of a forgery, or to a list that was
    chosen; and small praise, which most junk gets too, must not undo a verdict.
    """
    decided = any(each.points >= ENOUGH for each in evidence)
    return [each for each in evidence if each.points > 0] if decided else evidence


def points_of(evidence: Sequence[Evidence]) -> float:
    """All that count together, in tenths."""
    return round(sum(each.points for each in counted(evidence)), 1)


def is_junk(evidence: Sequence[Evidence]) -> bool:
    return points_of(evidence) >= ENOUGH


def junk_field(evidence: Sequence[Evidence]) -> bytes:
    """`X-Junk: yes (6.5 of 5)` and a line for each reason; LF line ends.  Reasons may hold anything; at least one."""
    lines = [f"{NAME}: {'yes' if is_junk(evidence) else 'no'} ({points_of(evidence):g} of {ENOUGH:g})"]
    lines += map(str, counted(evidence))
    return f"{SEPARATOR.join(lines)}\n".encode("ascii")


def says_junk(header: bytes) -> bool:
    """Whether a message that was delivered was judged to be junk, by what `junk_field` left."""
    wanted = f"{NAME}: yes".encode().lower()
    return any(name == NAME.lower() and field.lower().startswith(wanted) for name, field in fields(header))


def without_junk_fields(header: bytes) -> bytes:
    """The header block without fields of that name."""
    name = NAME.lower()
    return without_field(header, name) if name.encode() in header.lower() else header
