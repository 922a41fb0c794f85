"""One line of the log for one event: words and `key=value` for a person, or JSON for a program.

A value that a peer chose cannot end the line or forge another one: what is not printable is escaped.  The words of an
event are its format with the fields that it names; the other fields follow, each once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from string import Formatter
from typing import NamedTuple

MAX_SHOWN = 10
"""Of a list."""
OWN = frozenset(f"log_{name}" for name in ("logger", "level", "namespace", "source", "format", "time", "failure"))
"""What twisted.logger itself puts into an event."""
HIDDEN = OWN | {"event", "dialogue"}
"""Fields that no line for a person has: the words say the one, the other has many lines."""


class Head(NamedTuple):
    """What every line begins with."""

    time: str
    """`2026-11-21T05:10:00.123Z`."""
    level: str
    system: str


LineWriter = Callable[[Head, str, Mapping[str, object], str], str]
"""Head, format, fields and, where something failed, a traceback -> a line with its line end."""


@lru_cache(maxsize=1024)
def _named(text: str) -> frozenset[str]:
    """The fields that a format names, and those that are not shown."""
    names = {name.partition(".")[0].partition("[")[0] for _, name, _, _ in Formatter().parse(text) if name}
    return frozenset(names | HIDDEN)


def as_text(head: Head, text: str, fields: Mapping[str, object], traceback: str = "") -> str:
    """Words first, then `key=value`.  What has several lines goes on in lines that begin with a tab."""
    words = text.format_map(fields)
    if not words.isprintable():
        words = _printable(words)
    shown = _named(text)
    time, level, system = head
    others = {n: _text(v) for n, v in fields.items() if n not in shown and v is not None and v != ""}
    if not _is_plain("".join(others.values())):  # few are not: each is looked at only then
        others = {name: _quoted(value) for name, value in others.items()}
    line = f"{time} {level:5} {system}: {words}" + "".join([f" {name}={value}" for name, value in others.items()])
    if traceback:
        line = f"{line}\n\t" + _printable(traceback.rstrip("\n"))
    return line + "\n"


def as_json(head: Head, text: str, fields: Mapping[str, object], traceback: str = "") -> str:
    """One object a line, ASCII only."""
    found: dict[str, object] = {"time": head.time, "level": head.level, "system": head.system}
    found["text"] = text.format_map(fields)
    for name, value in fields.items():
        if name not in OWN and value is not None and value != "":
            found[name] = value
    if traceback:
        found["traceback"] = traceback
    return json.dumps(found, default=plain) + "\n"


def plain(value: object) -> object:
    """A value that JSON does not know: a sequence as a list, anything else as its text."""
    return list(value) if isinstance(value, (set, frozenset)) else str(value)


def _text(value: object) -> str:
    return _list(value) if isinstance(value, (tuple, list)) else str(value)


def _is_plain(text: str) -> bool:
    """It can stand behind `key=` as it is."""
    return text.isprintable() and not (" " in text or '"' in text or "=" in text)


def _quoted(text: str) -> str:
    return text if _is_plain(text) else json.dumps(text, ensure_ascii=not text.isprintable())


def _list(values: Sequence[object]) -> str:
    shown = ",".join(map(str, values[:MAX_SHOWN]))
    return f"{shown},..." if len(values) > MAX_SHOWN else shown


def _printable(text: str) -> str:
    """With its line ends followed by a tab, and other characters that a terminal might obey escaped."""
    return "".join(c if c.isprintable() or c == "\t" else "\n\t" if c == "\n" else ascii(c)[1:-1] for c in text)
