"""Fuzzing of what the filter of an account reads: messages in any shape, made of the pieces that MIME and HTML are.

    python -m tests.fuzz.words --inputs 200000 [--seed 1] [--only long]

Whatever stands there, it has words, the same ones each time, in bounded number and time.  A failure names the seed of
its input: `--seed N --inputs 1` repeats it.
"""

from __future__ import annotations

from functools import partial
from random import Random
from time import process_time

from tests.fuzz import longrun
from tests.mailbox.junk.corpus import letters
from twisted_mail.mailbox.junk.texts import MAX_OCTETS
from twisted_mail.mailbox.junk.words import MAX_WORDS, lesson_of

LIMIT = 2.0
"""Seconds of processor time for one input, however hostile."""

GENUINE = letters(1, 4, junk=True)
PIECES = (
    *(b"Content-Type: text/html", b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: message/rfc822"),
    *(b"Content-Type: text/plain; charset=", b"utf-16", b"utf-7", b"idna", b"punycode", b"gb18030", b"iso-8859-12"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"; boundary=", b"\n--b"),
    *(b"Subject: ", b"From: ", b"Received: ", b"List-Id: ", b"\n", b"\n\n", b"\r\n", b" ", b"\t", b":", b";", b"--"),
    *(b"=?", b"?=", b"?q?", b"?b?", b"=?utf-8?q?=C3?=", b"=?utf-8?b?w5ZsZQ==?=", b"=3D", b"=\n", b"=", b"?"),
    *(b"<", b">", b"<!--", b"-->", b"<style>", b"</style>", b"<script", b"<a href='http://", b"&#", b"&amp;", b"&"),
    *(b"http://", b"https://x.example/", b"@", b"a", b"'", b"-", b"\xff", b"\0", b"\xe9\x99\x90", b"9999999999"),
    *(b"[192.0.2.1]", b"[IPv6:", b"::", b"word", b"w5ZsZQ", b"word " * 50),
)


def run(target: str, random: Random) -> None:
    """One input for *target*."""
    TARGETS[target](random)


def _pieces(most: int, random: Random) -> None:
    _check(b"".join(random.choices(PIECES, k=random.randrange(most))))


def _long(random: Random) -> None:
    """A few pieces, over and over: what takes more than linear time shows."""
    front, piece = (b"".join(random.choices(PIECES, k=random.randrange(1, 6))) for _ in range(2))
    _check(front + piece * (MAX_OCTETS // len(piece) + 1))


def _changed(random: Random) -> None:
    octets = bytearray(random.choice(GENUINE))
    for _ in range(random.randrange(1, 20)):
        place = random.randrange(len(octets))
        octets[place : place + random.randrange(4)] = random.choice(PIECES)
    _check(bytes(octets))


def _check(octets: bytes) -> None:
    began = process_time()
    lesson = lesson_of(octets)
    assert process_time() - began < LIMIT
    assert len(lesson.words) <= MAX_WORDS
    assert len(lesson.message) == 16
    assert lesson == lesson_of(octets)


TARGETS: dict[str, longrun.Target] = {"pieces": partial(_pieces, 200), "long": _long, "changed": _changed}


if __name__ == "__main__":
    longrun.run(__doc__, TARGETS, 10_000)
