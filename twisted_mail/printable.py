"""Texts from others, made fit to be shown: nothing in them ends a line or moves a cursor."""

from __future__ import annotations


def printable(text: str) -> str:
    """*text* with a question mark for each character that cannot be seen, line ends among them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
