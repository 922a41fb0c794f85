"""The words of a message that a filter counts, and what makes it known again.  Pure; takes anything.

Words of the header have the name of their field in front: who is said to write counts apart from what is written.
Counted is whether a word is there, not how often.  At most MAX_WORDS of a message count, in bounded time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from twisted_mail.mailbox.junk.texts import MAX_OCTETS, texts_of, unfolded, without_tags
from twisted_mail.message.header import fields, header_size

MAX_WORDS = 2000
"""Of one message; those of the header come first."""
SHORTEST, LONGEST = 3, 24

_WORD = re.compile(r"[\w$€£%'\u2019-]+")
_LINK = re.compile(r"\bhttps?://([^\s/\"'<>?#\\]{1,253})", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>\"(),:;@]{1,64}@([^\s<>\"(),:;@]{1,253})")
_PEER = re.compile(rb"\[(?:IPv6:)?([0-9a-fA-F.:]{2,45})\]")
# written without spaces: two characters each are a word
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")

_PEOPLE = ("from", "reply-to", "sender")
_TEXTS = ("subject", "x-mailer", "user-agent", "list-id", "precedence", "organization")
_IDENTIFYING = frozenset({"received", "message-id", "date", "from", "subject"})


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a message teaches."""

    message: bytes
    """By which it is known again, 16 octets: also where programs have added fields or given its file another name."""
    words: frozenset[str]
    header: bytes
    """LF line ends."""


def lesson_of(octets: bytes) -> Lesson:
    """Of a whole message, or as much of its beginning as there is."""
    octets = octets[:MAX_OCTETS].replace(b"\r\n", b"\n")
    header = octets[: header_size(octets)]
    return Lesson(identity_of(header), frozenset(islice(_words(header, octets), MAX_WORDS)), header)


def words_of(octets: bytes) -> frozenset[str]:
    """See `lesson_of`."""
    return lesson_of(octets).words


def identity_of(header: bytes) -> bytes:
    """See `Lesson.message`.  LF line ends.  The topmost Received field says when it came, and as what."""
    digest = sha256()
    seen = set()
    for name, field in fields(header):
        if name in _IDENTIFYING and name not in seen:
            seen.add(name)
            digest.update(field)
    return digest.digest()[:16]


def _words(header: bytes, octets: bytes) -> Iterator[str]:
    is_first = True
    for name, field in fields(header):
        if name == "received" and is_first:
            is_first = False
            yield from _network(field)
        elif name in _PEOPLE:
            yield from _people(name, unfolded(field))
        elif name in _TEXTS:
            for word in _plain(unfolded(field)):
                yield f"{name}:{word}"
        elif name == "content-type":
            yield f"type:{unfolded(field).partition(';')[0].strip().lower()[:LONGEST]}"
    for kind, text in texts_of(octets):
        for link in _LINK.finditer(text):
            yield from _host(link[1])
        yield from _plain(without_tags(text) if kind == "text/html" else text)


def _plain(text: str) -> Iterator[str]:
    is_dense = _DENSE.search(text) is not None
    for found in dict.fromkeys(_WORD.findall(text.casefold())):  # each once, and in order: not all may count
        word = found.strip("-'\u2019_")
        if is_dense and _DENSE.search(word):
            yield from (word[i : i + 2] for i in range(min(len(word) - 1, 200)))
        elif len(word) > LONGEST:
            yield f"long:{word[0]}:{len(word) // 10 * 10}"
        elif len(word) >= SHORTEST:
            yield word


def _people(name: str, text: str) -> Iterator[str]:
    for match in _ADDRESS.finditer(text):
        yield f"{name}:{match[0].lower()}"
        yield f"{name}:@{match[1].lower()}"
    for word in _plain(_ADDRESS.sub(" ", text)):
        yield f"{name}:{word}"


def _host(text: str) -> Iterator[str]:
    """Of a link: the host, and the domain above it."""
    labels = text.rpartition("@")[2].partition(":")[0].lower().strip(".").split(".")
    yield f"link:{'.'.join(labels[-4:])}"
    if len(labels) > 2:
        yield f"link:{'.'.join(labels[-2:])}"


def _network(received: bytes) -> Iterator[str]:
    """From where it came: the first three numbers of an IPv4 address, the first three groups of an IPv6 address."""
    if match := _PEER.search(received):
        address = match[1].decode("ascii").lower()
        separator = ":" if ":" in address else "."
        yield f"net:{separator.join(address.split(separator)[:3])}"
