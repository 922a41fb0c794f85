"""The grammar of Sieve (RFC 5228 §2 and §8): a script becomes a tree of commands that know their lines.  Pure.

What a command means, and which there are, is nothing of this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from twisted_mail.rules.problem import Problem

MAX_OCTETS = 256 * 1024
MAX_NESTING = 25
"""Blocks in blocks, and tests in tests (RFC 5228 §2.10.5 wants 15 at least)."""


class SieveError(Problem):
    """The script cannot be taken over.  Begins with the number of the line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Tag:
    """`:contains`; the name in lower case, without the colon."""

    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Number:
    line: int
    value: int


@dataclass(frozen=True, slots=True)
class Strings:
    """A string or a list of strings."""

    line: int
    values: tuple[str, ...]
    is_list: bool


Argument = Tag | Number | Strings


@dataclass(frozen=True, slots=True)
class Command:
    """A command or a test."""

    line: int
    name: str
    """In lower case."""
    arguments: list[Argument] = field(default_factory=list)
    tests: list[Command] = field(default_factory=list)
    block: list[Command] | None = None


def parse_script(text: str) -> list[Command]:
    """Raises SieveError, and nothing else."""
    if len(text) > MAX_OCTETS:
        raise SieveError(1, f"the script is larger than {MAX_OCTETS} octets")
    return _Reader(text.replace("\r\n", "\n")).script()


# RFC 5228 §8.1; a multi-line text is dot-stuffed; where nothing of these fits, the character itself is the error
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+ | \#[^\n]* | /\*.*?\*/)
  | (?P<text>text:[ \t]*(?:\#[^\n]*)?\n(?P<lines>(?:(?!\.\n|\.\Z)[^\n]*\n)*)\.(?:\n|\Z))
  | (?P<string>"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)")
  | (?P<number>[0-9]+)(?P<unit>[KMG]?)(?![A-Za-z0-9_])
  | :(?P<tag>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>[\[\](){},;])
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_STUFFED = re.compile(r"^\.", re.MULTILINE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    line: int
    kind: str
    """A group of _TOKEN: `string`, `number`, `tag`, `word`, `sign`; or `end`."""
    text: str
    value: int = 0

    @property
    def shown(self) -> str:
        return "the end of the script" if self.kind == "end" else f'"{self.text[:40]}"'


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    def script(self) -> list[Command]:
        """commands = *command"""
        commands = self._commands(0)
        if self._next.kind != "end":
            raise self._unexpected("a command")
        return commands

    @property
    def _next(self) -> _Token:
        return self._tokens[self._position]

    def _take(self) -> _Token:
        token = self._next
        self._position += 1
        return token

    def _take_sign(self, sign: str) -> bool:
        if self._next.kind == "sign" and self._next.text == sign:
            self._position += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise self._unexpected(f'"{sign}"')

    def _unexpected(self, wanted: str) -> SieveError:
        return SieveError(self._next.line, f"{self._next.shown} stands where {wanted} is expected")

    def _commands(self, depth: int) -> list[Command]:
        found = []
        while self._next.kind == "word":
            found.append(self._command(depth))
        return found

    def _command(self, depth: int) -> Command:
        """command = identifier arguments (";" / block)"""
        command = self._named(depth)
        if self._take_sign(";"):
            return command
        if not self._take_sign("{"):
            raise self._unexpected('";" or "{"')
        block = self._commands(depth + 1)
        self._expect("}")
        return Command(command.line, command.name, command.arguments, command.tests, block)

    def _named(self, depth: int) -> Command:
        """identifier *argument [test / test-list]"""
        name = self._take()
        if depth > MAX_NESTING:
            raise SieveError(name.line, f"more than {MAX_NESTING} blocks or tests in one another")
        command = Command(name.line, name.text.lower(), self._arguments())
        if self._next.kind == "word":
            command.tests.append(self._named(depth + 1))
        elif self._take_sign("("):
            command.tests.append(self._test(depth))
            while self._take_sign(","):
                command.tests.append(self._test(depth))
            self._expect(")")
        return command

    def _test(self, depth: int) -> Command:
        if self._next.kind != "word":
            raise self._unexpected("a test")
        return self._named(depth + 1)

    def _arguments(self) -> list[Argument]:
        """argument = string-list / number / tag"""
        found: list[Argument] = []
        while True:
            token = self._next
            if token.kind == "string":
                found.append(Strings(token.line, (self._take().text,), is_list=False))
            elif token.kind == "number":
                found.append(Number(token.line, self._take().value))
            elif token.kind == "tag":
                found.append(Tag(token.line, self._take().text.lower()))
            elif self._take_sign("["):
                found.append(Strings(token.line, self._list(), is_list=True))
            else:
                return found

    def _list(self) -> tuple[str, ...]:
        """string-list, behind its bracket"""
        found = [self._string()]
        while self._take_sign(","):
            found.append(self._string())
        self._expect("]")
        return tuple(found)

    def _string(self) -> str:
        if self._next.kind != "string":
            raise self._unexpected("a string")
        return self._take().text


def _tokens(text: str) -> list[_Token]:
    """With one for the end."""
    found, position, line = [], 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise SieveError(line, f'"{text[position : position + 20]}" begins with nothing that Sieve knows')
        if token := _token(match, line):
            found.append(token)
        position = match.end()
        line += match[0].count("\n")
    return [*found, _Token(line, "end", "")]


def _token(match: re.Match[str], line: int) -> _Token | None:
    """None: it means nothing."""
    if match["space"]:
        return None
    if match["text"]:
        return _Token(line, "string", _STUFFED.sub("", match["lines"]))
    if match["string"]:
        return _Token(line, "string", _ESCAPED.sub(r"\1", match["quoted"]))
    if match["number"]:
        if len(match["number"]) > 15:
            raise SieveError(line, f'"{match["number"][:40]}" is too large a number')
        return _Token(line, "number", match[0], int(match["number"]) * _UNITS[match["unit"].lower()])
    kind = match.lastgroup
    assert kind in ("tag", "word", "sign")
    return _Token(line, kind, match[kind])
