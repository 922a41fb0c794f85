"""A new mailserver.toml: the one that shows every option, with some of them filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_SECTION = re.compile(r"\[(\w+)\]$")
_OPTION = re.compile(r"#(\w+) = ")


def sample() -> str:
    """etc/mailserver.toml, from the installed package or from the checkout that the code lies in."""
    package = files("twisted_mail")
    places: list[Traversable] = [package / "mailserver.toml", Path(str(package)).parent / "etc" / "mailserver.toml"]
    return next(place for place in places if place.is_file()).read_text("utf-8")


def with_values(text: str, values: Mapping[str, str]) -> str:
    """*text* with options switched on: `section.key`, or a key of the top, -> its value as TOML.

    Raises KeyError: there is no such option.
    """
    missing = dict(values)
    section, lines = "", []
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section = match.group(1) + "."
        if (match := _OPTION.match(line)) and (value := missing.pop(section + match.group(1), None)) is not None:
            line = f"{match.group(1)} = {value}"
        lines.append(line)
    if missing:
        raise KeyError(*missing)
    return "\n".join(lines) + "\n"
