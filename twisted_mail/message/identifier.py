"""The id of a message: a UUIDv7 in hex (RFC 9562 §5.7), which sorts by time and is never given twice.

The same id stands in Received, in the reply to DATA, on log lines and in the names of Maildir and queue files.
"""

from __future__ import annotations


def message_id(milliseconds: int, random: bytes) -> str:
    """32 hex digits from a Unix time in milliseconds and 10 random octets."""
    bits = milliseconds << 80 | int.from_bytes(random[:10], "big")
    bits = bits & ~(0xF << 76) | 0x7 << 76  # version 7
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
    return f"{bits:032x}"


def milliseconds_of(identifier: str) -> int:
    """The Unix time in milliseconds at which the id was given."""
    return int(identifier[:12], 16)
