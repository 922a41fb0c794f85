"""The addresses in a header field, as lenient as mail programs are (RFC 5322 §3.4, §4.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import getaddresses


def listed_addresses(values: Sequence[str]) -> list[tuple[str, str]]:
    """Display name and address of each; the address is empty where it cannot be read.

    The library's parser calls itself for each comment in a comment: what is nested too deep for it has no address.
    """
    try:
        return getaddresses(list(values))
    except RecursionError:
        return []


def shown_addresses(value: str) -> list[str]:
    """All that a mail program may show of a field as its addresses, also where it is not what RFC 5322 wants.

    Then it is what stands in angle brackets, or where there are none, each word with an @.
    """
    found = [address for _, address in listed_addresses([value])]
    if found and all(found):
        return found
    bracketed = [text.strip() for text in _BRACKETED.findall(value)]
    return [text for text in bracketed if text] or [word for word in _SIGNS.split(value) if "@" in word]


_BRACKETED = re.compile(r"<([^<>]*)>")
_SIGNS = re.compile(r"[\s<>()\[\],;:\"\\]+")
"""What stands between words."""
