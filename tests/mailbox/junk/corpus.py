"""Letters as people and as sellers write them: made up, always the same ones for one seed, with words that both use."""

from __future__ import annotations

from random import Random

_SHARED = (
    "the and for you with this that from have not are was will can your our please time today week order account "
    "new here there about more one two first last best free offer price help need want send read write open click"
)
_GOOD = (
    "meeting agenda minutes kitchen garden school children train ticket dinner sunday weather project budget "
    "draft review patch branch release server backup holiday lake birthday doctor invoice rent neighbour choir "
    "rehearsal bicycle repair library book chapter photos grandmother recipe plums parcel keys"
)
_JUNK = (
    "winner lottery casino bonus viagra pills pharmacy replica watches crypto bitcoin investment guaranteed "
    "profit millions transfer inheritance prince urgent limited discount cheap weight loss miracle loan credit "
    "approved singles dating unsubscribe subscribers marketing leads seo ranking traffic deal exclusive prize "
    "claim"
)


def letters(seed: int, count: int, *, junk: bool) -> list[bytes]:
    """*count* of them, LF line ends, as they lie in a mailbox."""
    random = Random(f"{seed} {junk}")
    return [_letter(random, number, junk) for number in range(count)]


def _letter(random: Random, number: int, junk: bool) -> bytes:
    own, other = (_JUNK.split(), _GOOD.split()) if junk else (_GOOD.split(), _JUNK.split())
    shared = _SHARED.split()
    words = random.choices(shared, k=60) + random.choices(own, k=30) + random.choices(other, k=4)
    random.shuffle(words)
    text = " ".join(words)
    subject = " ".join(random.choices(own, k=2) + random.choices(shared, k=3))
    host = f"{random.choice(own)}{random.randrange(50)}.example"
    peer, identifier = f"192.0.2.{random.randrange(256)}", f"{random.getrandbits(64):016x}"
    received = f"Received: from {host} ([{peer}])\n by mx with ESMTP id {identifier};"
    head = f"{received}\n Sat, 28 Nov 2026 12:00:00 +0000\nFrom: {host} <{number}@{host}>\nSubject: {subject}\n"
    if junk and number % 2:
        link = f'<a href="https://www.{host}/{number}">{text}</a>'
        return f"{head}Content-Type: text/html; charset=utf-8\n\n<html><body>{link}</body></html>\n".encode()
    return f"{head}\n{text}\n".encode()
