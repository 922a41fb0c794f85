"""A TOML file into frozen dataclasses, with errors that say which line is wrong and what to write there.

A dataclass lists its keys by `setting(read, default)`: name, default and meaning stand in one place.  A field that is
itself such a dataclass is a `[section]`; a `table(cls, read_key)` holds any number of them, `[section."name"]`.
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

from twisted_mail.tomltext import syntax_problem

T = TypeVar("T")

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")


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
Path = tuple[str, ...]
"""The names that lead to a key: ("relay", "domains", "example.net", "retry")."""


def setting(read: Reader[T], default: object) -> T:
    """A key of a section.  *default* is written as in the file; a callable is asked when it is needed."""

    def value() -> T:
        return read(_default(default), Place("mailserver.toml", None, ""))

    # a dataclass field passes for its value, as dataclasses.field() itself does
    return field(default_factory=value, metadata={"read": read, "default": default})


def table(cls: type[T], read_key: Reader[str]) -> Mapping[str, T]:
    """Sections below a section, each a *cls*, by their names as *read_key* has them."""
    return field(default_factory=dict, metadata={"table": cls, "read_key": read_key})


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
            line, problem = syntax_problem(error, text)
            raise ConfigError(f"{path}, line {line}: {problem}") from error
        self._lines = text.splitlines()
        self._top_level: set[str] = set()

    def read(self, cls: type[T]) -> T:
        """The whole file as a *cls*.  Raises ConfigError."""
        self._top_level = {f.name for f in _fields(cls)}
        return self._section(cls, (), self._table)

    def place(self, key: str) -> Place:
        """Where `section.name` or a top-level name stands, or that it does not."""
        return self._place(tuple(key.split(".")))

    def _place(self, path: Path) -> Place:
        found: object = self._table
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return Place(self.path, None if found is None else self._line(path), ".".join(path))

    def _section(self, cls: type[T], path: Path, written: Mapping[str, object]) -> T:
        known = {f.name: f for f in _fields(cls)}
        for key in written:
            if key not in known:
                raise self._unknown(cls, path, key)
        return cls(**{key: self._value(known[key], (*path, key), written) for key in known})

    def _value(self, setting_field: Field[Any], path: Path, written: Mapping[str, object]) -> object:
        name, about = setting_field.name, setting_field.metadata
        place = self._place(path)
        if "table" in about:
            return self._sections(about["table"], about["read_key"], path, written.get(name, {}))
        if (inner_class := _section_class(setting_field)) is not None:
            return self._section(inner_class, path, self._inner(path, written.get(name, {})))
        try:
            return about["read"](written[name] if name in written else _default(about["default"]), place)
        except ValueError as error:
            raise place.error(str(error)) from error

    def _sections(self, cls: type[T], read_key: Reader[str], path: Path, written: object) -> Mapping[str, T]:
        """Those of a table."""
        found = {}
        for name, inner in self._inner(path, written, "NAME").items():
            place = self._place(here := (*path, name))
            try:
                found[read_key(name, place)] = self._section(cls, here, self._inner(here, inner))
            except ValueError as error:
                raise place.error(str(error)) from error
        return found

    def _inner(self, path: Path, written: object, *below: str) -> Mapping[str, object]:
        """*below*: what more stands between the brackets."""
        if not isinstance(written, dict):
            # names with dots, as those of domains, need quotes
            section = ".".join(name if name.isidentifier() else f'"{name}"' for name in (*path, *below))
            raise self._place(path).error(f"is a section; write [{section}] on a line of its own, and its keys below")
        return written

    def _unknown(self, cls: type[object], path: Path, key: str) -> ConfigError:
        names = [f.name for f in _fields(cls)]
        place, section = self._place((*path, key)), ".".join(path)
        if near := difflib.get_close_matches(key, names, 1):
            return place.error(f'unknown key; write "{near[0]}"')
        if section and key in self._top_level:
            return place.error(f"does not belong into [{section}]; move it above the first [section]")
        where = f"[{section}]" if section else "the top of the file"
        return place.error(f"unknown key; {where} takes {', '.join(names)}")

    def _line(self, path: Path) -> int | None:
        """TOML's parser does not say.  Multi-line strings could mislead this scan; then the number is off, no more."""
        *above, name = path
        key, wanted_section = ".".join(path), ".".join(above)
        written = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*[=.]")
        dotted = re.compile(rf"\s*{re.escape(wanted_section)}\s*(?:=|\.\s*{re.escape(name)}\s*=)")
        current = ""
        found = None
        for number, line in enumerate(self._lines, 1):
            if header := _HEADER.match(line):
                current = header.group(1).replace('"', "").replace("'", "")
                if current == key:
                    return number
            elif current == wanted_section and written.match(line):
                return number
            elif current == "" and wanted_section and dotted.match(line):
                found = number
        return found if found is not None or not above else self._line(tuple(above))


def _default(default: object) -> object:
    return default() if callable(default) else default


def _fields(cls: type[object]) -> list[Field[Any]]:
    """Only those that a file may set."""
    # mypy wants proof that a class is a dataclass; read() gets nothing else
    return [f for f in fields(cls) if f.metadata or _section_class(f)]  # type: ignore[arg-type]


def _section_class(setting_field: Field[Any]) -> type[object] | None:
    made_by = setting_field.default_factory
    return made_by if isinstance(made_by, type) and is_dataclass(made_by) else None
