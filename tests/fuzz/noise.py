"""Text that nobody meant to write."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

NOISE = (
    *("\xff", "\0", "\r", "\n", "\n ", "\t", "ü", "\x85", "(", "\\", '"', ";", "=", ":", ",", "%{", "%", "@", "<", ">"),
    *("[", "]", "!", "/", "-", "_", "xn--a", "a", "1", ".", " ", "a.", "()", "1e999", "{", "&", "x" * 300),
)
LONG = 60_000
"""Characters: more than fit into a field or record that anybody takes."""


def made_of(random: Random, pieces: Sequence[str], most: int, between: str = "") -> str:
    """Of *pieces*, mostly."""
    count = random.randint(0, most)
    return between.join(random.choice(pieces if random.random() < 0.9 else NOISE) for _ in range(count))


def changed(random: Random, text: str) -> str:
    """*text* with characters that are replaced, cut out, repeated, or put in; now and then a great many of them."""
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(text) + 1)
        end = start + random.choice((0, 1, 1, 8, 100))
        new = random.choice(("", random.choice(NOISE), text[start:end] * 2, chr(random.randrange(256))))
        text = text[:start] + new + text[end:]
    if random.random() < 0.01:
        piece = random.choice((*NOISE, text[start : start + 10], text))
        most = random.choice((200, 9000, LONG)) // (len(piece) or 1)
        text = text[:start] + piece * most + text[start:]
    return text


def octets_of(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def check_words(text: str) -> None:
    """One line, for people."""
    assert text.isprintable(), text
