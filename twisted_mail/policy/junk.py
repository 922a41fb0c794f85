"""What was judged to be junk says so, and why, in one field of its header.  Pure.

Only our checks write it: in a message that they look at, what others wrote under that name goes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from twisted_mail.message.header import without_field

NAME = "X-Junk"
LONGEST_REASON = 200
SEPARATOR = ";\n "


def junk_field(reasons: Sequence[str]) -> bytes:
    """The field, LF line ends.  *reasons* may hold anything; at least one."""
    texts = (re.sub(r"[^ -~]|;", "?", reason)[:LONGEST_REASON] for reason in reasons)
    return f"{NAME}: yes; {SEPARATOR.join(texts)}\n".encode("ascii")


def without_junk_fields(header: bytes) -> bytes:
    """The header block without fields of that name."""
    name = NAME.lower()
    return without_field(header, name) if name.encode() in header.lower() else header
