r"""Dialogues as text (CONVENTIONS 12): the format that all protocols share.

# any comment
# options: lmtp max_size=100       settings for whoever runs it, words or name=value
S: 220 mx.example ESMTP            a line from the server; ... at its end stands for any end
S: 250-...                         a whole reply of any number of lines
A: 550 5.1.1 No such user          what the test answers to the next question that the client's lines bring up
C: MAIL FROM:<alice@example.org>   a line from the client; lines that follow one another go out in one piece
C= a\nb\x00                        octets from the client without a line end of their own, escapes as in Python
E: Closed QUIT                     an event; all of them in order, if the file has any
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parent / "dialogs"


@dataclass
class Turn:
    """What the client sends, and what the server says to it."""

    client: bytes = b""
    answers: list[str] = field(default_factory=list)
    server: list[str] = field(default_factory=list)


@dataclass
class Dialogue:
    """One file."""

    settings: dict[str, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=lambda: [Turn()])
    """The first is the greeting: nothing from the client."""
    events: list[str] = field(default_factory=list)


def dialogues(protocol: str) -> list[Path]:
    return sorted((ROOT / protocol).glob("*.txt"))


def read(path: Path) -> Dialogue:
    dialogue = Dialogue()
    for line in path.read_text().split("\n"):
        kind, text = line[:2], line[3:]
        turn = dialogue.turns[-1]
        if line.startswith("# options:"):
            words = (word.partition("=") for word in line.removeprefix("# options:").split())
            dialogue.settings.update((name, value) for name, _, value in words)
        elif kind in ("C:", "C="):
            if turn.server:
                turn = Turn()
                dialogue.turns.append(turn)
            turn.client += text.encode() + b"\r\n" if kind == "C:" else unescaped(text)
        elif kind == "A:":
            turn.answers.append(text)
        elif kind == "S:":
            turn.server.append(text)
        elif kind == "E:":
            dialogue.events.append(text)
        else:
            assert not line or line.startswith("#"), f"{path.name}: {line}"
    return dialogue


def unescaped(text: str) -> bytes:
    return codecs.escape_decode(text.encode())[0]  # type: ignore[attr-defined,no-any-return]  # as old as pickle, yet in no stub


def lines_of(octets: bytes) -> list[str]:
    assert not octets or octets.endswith(b"\r\n"), octets
    return octets.decode().split("\r\n")[:-1]


def pieces(octets: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


def agrees(expected: Sequence[str], got: Sequence[str]) -> bool:
    """Whether the server said what was expected, with `...` as above."""
    rest = iter(got)
    for pattern in expected:
        line = next(rest, None)
        if pattern.endswith("-...") and pattern[:-4].isdecimal():
            while line is not None and line.startswith(pattern[:-3]):
                line = next(rest, None)
            pattern = f"{pattern[:-4]} ..."
        if line is None or not (line.startswith(pattern[:-3]) if pattern.endswith("...") else line == pattern):
            return False
    return next(rest, None) is None


def everything_said(dialogue: Dialogue) -> list[str]:
    """All lines of the server."""
    return list(chain.from_iterable(turn.server for turn in dialogue.turns))
