"""Checks run side by side, and those that do not come back are left behind: the whole takes a few seconds at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread

from twisted_mail.cli.checks.finding import Check, Finding, Situation, fault

LIMIT = 25.0
"""Seconds for all of them together."""

Answer = tuple[Check, Sequence[Finding]]


def run(
    checks: Sequence[Check],
    situation: Situation,
    limit: float = LIMIT,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Answer]:
    """Each with its findings, as soon as it has them; those that take longer than *limit* with one that says so."""
    answers: SimpleQueue[Answer] = SimpleQueue()
    for check in checks:
        # not a pool: at its end the interpreter would wait for what hangs
        Thread(target=_run, args=(check, situation, answers), name=check.name, daemon=True).start()
    waiting = list(checks)
    end = clock() + limit
    while waiting:
        try:
            check, findings = answers.get(timeout=max(0.0, end - clock()))
        except Empty:
            break
        waiting.remove(check)
        yield check, findings
    for check in waiting:
        yield check, [fault(f"this check had no result after {limit:.0f} seconds", f"mailserver check {check.name}")]


def _run(check: Check, situation: Situation, answers: SimpleQueue[Answer]) -> None:
    try:
        answers.put((check, list(check.run(situation))))
    except Exception as error:  # noqa: BLE001 (our bug: the other checks go on, and this one says so)
        answers.put((check, [fault(f"this check failed: {type(error).__name__}: {error}", "please report this bug")]))
