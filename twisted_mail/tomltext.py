"""TOML that a person wrote: what is wrong with it, and where."""

from __future__ import annotations

import re
from tomllib import TOMLDecodeError

_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")


def syntax_problem(error: TOMLDecodeError, text: str) -> tuple[int, str]:
    """The line, counted from 1, and one sentence with what to write there."""
    match = _AT_LINE.search(said := str(error))
    line = int(match[1]) if match and match[1] else len(text.splitlines())
    return line, f'not valid TOML: {_AT_LINE.sub("", said)}; write key = value, with texts in "quotes"'
