"""SASLprep (RFC 4013): names and passwords in the one spelling that both sides of an exchange compute with."""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """*text* prepared; characters newer than Unicode 3.2 are let through.  Raises ValueError for what is prohibited."""
    if text.isascii() and text.isprintable():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    for character in prepared:
        if any(prohibited(character) for prohibited in _PROHIBITED):
            raise ValueError(f"U+{ord(character):04X} is not allowed in names and passwords")
    if any(map(stringprep.in_table_d1, prepared)):
        _check_right_to_left(prepared)
    return prepared


def _check_right_to_left(text: str) -> None:
    """RFC 3454 §6."""
    if any(map(stringprep.in_table_d2, text)):
        raise ValueError("letters from left to right and from right to left must not be mixed")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("what is written from right to left must begin and end so")
