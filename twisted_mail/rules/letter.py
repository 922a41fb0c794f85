"""What rules can know of a message: its header, its envelope, its size, and whether it was judged to be junk.

Nothing in a header raises anything here, and all of it takes time in proportion to its length.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from email import quoprimime

from twisted_mail.message.addresses import listed_addresses
from twisted_mail.message.header import fields
from twisted_mail.smtp.address import Address

# encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?=" (RFC 2047 §2, RFC 2231 §5)
_WORD = re.compile(r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,40})?\?([BQ])\?([^?\s]*)\?=", re.IGNORECASE)
# white space between two of them is not shown (RFC 2047 §6.2)
_BETWEEN = re.compile(r"(\?=)[ \t]{1,100}(?==\?)")
_FOLDING = re.compile(r"\r?\n")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it comes to one account."""

    header: bytes
    """With LF line ends."""
    sender: Address | None
    """Of the envelope; None: the null reverse-path."""
    recipient: Address
    """Of the envelope, as it was written: with the tag, or an alias."""
    size: int
    """Octets."""
    junk: bool = False
    _values: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)

    def has(self, name: str) -> bool:
        """Whether there is a field of that name (lower case)."""
        return name in self._fields()

    def values(self, name: str) -> list[str]:
        """Of each field of that name (lower case): unfolded, decoded, without white space around it."""
        return [decoded(value) for value in self._fields().get(name, ())]

    def addresses(self, name: str) -> list[str]:
        """Those in all fields of that name (lower case); what cannot be read is left out."""
        return [address for _, address in listed_addresses(self._fields().get(name, ())) if address]

    def _fields(self) -> dict[str, list[str]]:
        """Read when they are first asked for."""
        if not self._values:
            for name, text in fields(self.header):
                value = text.partition(b":")[2].decode(errors="replace")
                self._values.setdefault(name, []).append(_FOLDING.sub("", value).strip())
        return self._values


def decoded(text: str) -> str:
    """With its encoded words in Unicode (RFC 2047); one that cannot be decoded stays as it is."""
    return _WORD.sub(_decoded_word, _BETWEEN.sub(r"\1", text)) if "=?" in text else text


def _decoded_word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    try:
        if encoding in "bB":
            octets = binascii.a2b_base64(text + "=" * (-len(text) % 4))
        else:
            octets = quoprimime.header_decode(text).encode("latin-1")
        return octets.decode(charset, "replace")
    except (LookupError, ValueError):
        return match[0]
