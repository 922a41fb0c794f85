"""What was said on a connection, for reports of failure: bounded, without secrets and without message texts.

A report on one recipient must not name the others (they may be blind copies, or members of a list): lines about one
recipient are kept as such and shown in no other report.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from twisted_mail.printable import printable

MAX_LINES = 300
"""Lines that are kept: the last ones."""
SHOWN_LINES = 40
"""Lines of one report."""
MAX_LENGTH = 300
"""Characters of a line."""


class Dialogue:
    """The lines of one connection: its opening, and the transaction that is under way or was the last."""

    __slots__ = ("_lines", "_opening")

    def __init__(self) -> None:
        self._opening: list[tuple[str, Hashable]] | None = None
        self._lines: deque[tuple[str, Hashable]] = deque(maxlen=MAX_LINES)

    def client(self, line: str, about: Hashable = None) -> None:
        """We said *line*.  *about*: the one recipient that it is about."""
        self._lines.append((_shown(f"C: {line}"), about))

    def server(self, lines: str, about: Hashable = None) -> None:
        """The peer said *lines*, separated by LF."""
        self._lines.extend((_shown(f"S: {line}"), about) for line in lines.split("\n"))

    def note(self, text: str) -> None:
        """Something happened that is no line."""
        self._lines.append((_shown(f"({text})"), None))

    def begin_transaction(self) -> None:
        """Forget the transaction before: it was somebody else's."""
        if self._opening is None:
            self._opening = list(self._lines)
        self._lines.clear()
        self._lines.extend(self._opening)

    def text(self, about: Hashable = None) -> str:
        """The last lines, LF line ends, without those that are about another recipient."""
        lines = [line for line, whom in self._lines if whom is None or whom == about]
        return "".join(f"{line}\n" for line in lines[-SHOWN_LINES:])


def _shown(line: str) -> str:
    return printable(line if len(line) <= MAX_LENGTH else f"{line[:MAX_LENGTH]}...")
