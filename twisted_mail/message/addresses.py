"""The addresses in a header field, as lenient as mail programs are (RFC 5322 §3.4, §4.4)."""

from __future__ import annotations

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
