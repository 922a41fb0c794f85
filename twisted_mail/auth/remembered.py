"""What was worked out from the directory and holds until somebody changes it.

Changes of this process are noticed at once, those of others within 5 ms (NOTICED_AFTER in database.py): a command takes
longer to end after its change is on disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted_mail.auth.database import Database

MOST = 10_000
"""Answers in memory."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Remembered(Generic[Question, Answer]):
    """Answers that need not be worked out again."""

    def __init__(
        self, database: Database, work_out: Callable[[Question], Answer], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """*work_out*: asks the tables; what it raises is not remembered."""
        self._database = database
        self._work_out = work_out
        self._clock = clock
        self._version = -1
        self._answers: dict[Question, Answer] = {}

    def __call__(self, question: Question) -> Answer:
        version = self._database.version(self._clock())
        if version != self._version:
            self._answers.clear()
            self._version = version
        answer = self._answers.get(question)
        if answer is None:
            answer = self._work_out(question)
            if len(self._answers) >= MOST:
                self._answers.clear()
            self._answers[question] = answer
        return answer
