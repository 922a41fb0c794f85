"""What a list command prints: columns for a person, or JSON for a program, from the same rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

Row = dict[str, object]


def print_rows(rows: Sequence[Row], *, as_json: bool, nothing: str) -> None:
    """*nothing* is said to a person where there are no rows."""
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif not rows:
        print(nothing)
    else:
        _print_columns(rows)


def print_facts(facts: Row) -> None:
    """One thing: a line for each fact."""
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:{width}}  {_text(value) or '-'}")


def timestamp(seconds: int) -> str:
    """`2026-01-31T12:00:00Z`, from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_columns(rows: Sequence[Row]) -> None:
    table = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "-"
        case list():
            return " ".join(map(str, value))
        case _:
            return str(value)
