"""A TOML file into frozen dataclasses, with errors that say which line is wrong and what to write there.

A dataclass lists its keys by `setting(read, default)`: name, default and meaning stand in one place.  A field that is
itself such a dataclass is a `[section]`.
A reader takes the value as TOML gives it and its `Place`, and raises ValueError in words for who wrote the file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")


class ConfigError(Exception):
    """The configuration is wrong.  The text is one line: file, line, key, what is wrong, what to write instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands.  *line* is None for a default, which nobody has written."""

    file: str
    line: int | None
    key: str

    @property
    def folder(self) -> str:
        """Paths in the file are relative to it."""
        return os.path.dirname(os.path.abspath(self.file))

    @property
    def is_written(self) -> bool:
        return self.line is not None

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        return f"{self.file}{line}: {self.key}"

    def error(self, problem: str) -> ConfigError:
        return ConfigError(f"{self}: {problem}")


Reader = Callable[[object, Place], T]


def setting(read: Reader[T], default: object) -> T:
    """A key of a section.  *default* is written as in the file; a callable is asked when it is needed."""

    def value() -> T:
        return read(_default(default), Place("mailserver.toml", None, ""))

    # a dataclass field passes for its value, as dataclasses.field() itself does
    return field(default_factory=value, metadata={"read": read, "default": default})


class SettingsFile:
    """One file's text and what TOML makes of it."""

    def __init__(self, path: str) -> None:
        """Raises ConfigError: unreadable, or not TOML."""
        self.path = path
        try:
            with open(path, "rb") as file:
                text = file.read().decode()
            self._table = tomllib.loads(text)
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror}); name a file that can with --config"
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_syntax_error(path, text, str(error))) from error
        self._lines = text.splitlines()
        self._top_level: set[str] = set()

    def read(self, cls: type[T]) -> T:
        """The whole file as a *cls*.  Raises ConfigError."""
        self._top_level = {f.name for f in _fields(cls)}
        return self._section(cls, "", self._table)

    def place(self, key: str) -> Place:
        """Where `section.name` or a top-level name stands, or that it does not."""
        section, _, name = key.rpartition(".")
        table = self._table.get(section) if section else self._table
        is_written = isinstance(table, dict) and name in table
        return Place(self.path, self._line(key) if is_written else None, key)

    def _section(self, cls: type[T], name: str, table: Mapping[str, object]) -> T:
        known = {f.name: f for f in _fields(cls)}
        values = {}
        for key in table:
            if key not in known:
                raise self._unknown(cls, name, key)
        for key, setting_field in known.items():
            full = f"{name}.{key}" if name else key
            values[key] = self._value(setting_field, full, table)
        return cls(**values)

    def _value(self, setting_field: Field[Any], key: str, table: Mapping[str, object]) -> object:
        name, about = setting_field.name, setting_field.metadata
        inner_class = _section_class(setting_field)
        place = self.place(key)
        if inner_class is not None:
            inner = table.get(name, {})
            if not isinstance(inner, dict):
                raise place.error(f"is a section; write [{name}] on a line of its own, and its keys below")
            return self._section(inner_class, key, inner)
        try:
            return about["read"](table[name] if name in table else _default(about["default"]), place)
        except ValueError as error:
            raise place.error(str(error)) from error

    def _unknown(self, cls: type[object], name: str, key: str) -> ConfigError:
        names = [f.name for f in _fields(cls)]
        full = f"{name}.{key}" if name else key
        place = self.place(full)
        if near := difflib.get_close_matches(key, names, 1):
            return place.error(f'unknown key; write "{near[0]}"')
        if name and key in self._top_level:
            return place.error(f"does not belong into [{name}]; move it above the first [section]")
        where = f"[{name}]" if name else "the top of the file"
        return place.error(f"unknown key; {where} takes {', '.join(names)}")

    def _line(self, key: str) -> int | None:
        """TOML's parser does not say.  Multi-line strings could mislead this scan; then the number is off, no more."""
        wanted_section, _, name = key.rpartition(".")
        written = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*[=.]")
        dotted = re.compile(rf"\s*{re.escape(wanted_section)}\s*(?:=|\.\s*{re.escape(name)}\s*=)")
        current = ""
        found = None
        for number, line in enumerate(self._lines, 1):
            if header := _HEADER.match(line):
                current = header.group(1).strip("\"'")
                if current == key:
                    return number
            elif current == wanted_section and written.match(line):
                return number
            elif current == "" and wanted_section and dotted.match(line):
                found = number
        return found


def _default(default: object) -> object:
    return default() if callable(default) else default


def _fields(cls: type[object]) -> list[Field[Any]]:
    """Only those that a file may set."""
    # mypy wants proof that a class is a dataclass; read() gets nothing else
    return [f for f in fields(cls) if f.metadata or _section_class(f)]  # type: ignore[arg-type]


def _section_class(setting_field: Field[Any]) -> type[object] | None:
    made_by = setting_field.default_factory
    return made_by if isinstance(made_by, type) and is_dataclass(made_by) else None


def _syntax_error(path: str, text: str, message: str) -> str:
    match = _AT_LINE.search(message)
    line = int(match.group(1)) if match and match.group(1) else len(text.splitlines())
    problem = _AT_LINE.sub("", message)
    return f'{path}, line {line}: not valid TOML: {problem}; write key = value, with texts in "quotes"'
