"""What the filter of an account costs when a message is delivered to it.

`python benchmarks/junk.py`: microseconds, the best of many, for a message of 4 KiB.  What an account costs that has
taught its filter nothing is paid by each delivery in the reactor's thread; the rest in another one, by those whose
filter judges.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from random import Random

from twisted.internet.defer import Deferred, execute

from twisted_mail.content import message_of
from twisted_mail.mailbox.junk.judging import Filters
from twisted_mail.mailbox.junk.memory import opened_memory, size_of
from twisted_mail.mailbox.junk.words import lesson_of, words_of
from twisted_mail.smtp.address import Address

ROUNDS = 300
LESSONS = 500
"""Of each kind."""
WORDS = [f"word{number}" for number in range(20_000)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        trained, untrained = Address("trained", "example.org"), Address("untrained", "example.org")
        for account in (trained, untrained):
            os.mkdir(f"{folder}/{account.local_part}")
        path = f"{folder}/trained"
        random = Random(1)
        octets = _letter(random, junk=True)
        with opened_memory(path) as memory:
            began = time.perf_counter()
            for number in range(2 * LESSONS):
                memory.learn(lesson_of(_letter(random, junk=number % 2 == 0)), number % 2 == 0, 0.0)
            learning = (time.perf_counter() - began) * 1e6 / (2 * LESSONS)

        def filters() -> Filters:
            return Filters(lambda account: f"{folder}/{account.local_part}", execute)

        known, message = filters(), message_of("01" * 16, octets)
        _waited(known.speaks_for(untrained))
        work: dict[str, Callable[[], object]] = {
            "nothing learned, known": lambda: _waited(known.speaks_for(untrained)),
            "nothing learned, first look": lambda: _waited(filters().speaks_for(untrained)),
            "learned, first look": lambda: _waited(filters().speaks_for(trained)),
            "the words of a message": lambda: words_of(octets),
            "the whole judgement": lambda: _waited(known.judge(message, [trained])),
        }
        for name, call in work.items():
            print(f"{name:28}{min(_timed(call) for _ in range(ROUNDS)):7.1f} us")
        print(f"{'learning one':28}{learning:7.1f} us (mean)")
        print(f"{len(octets)} octets with {len(words_of(octets))} words; {size_of(path)} octets of memory")


def _letter(random: Random, *, junk: bool) -> bytes:
    """Of the words that both use, and some that are of its kind; few words are in most letters, as in a language."""
    start = 0 if junk else 10_000
    text = " ".join(WORDS[start + int(10_000 * random.random() ** 4)] for _ in range(430))
    lines = "\n".join(text[at : at + 70] for at in range(0, len(text), 70))
    return f"From: A <a@b.example>\nSubject: {random.random()}\nDate: {random.random()}\n\n{lines}\n".encode()


def _waited(awaitable: object) -> None:
    Deferred.fromCoroutine(awaitable)  # type: ignore[arg-type]  # all of them are coroutines


def _timed(call: Callable[[], object]) -> float:
    """Microseconds."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


if __name__ == "__main__":
    main()
