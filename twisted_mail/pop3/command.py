"""The grammar of POP3 commands: a keyword in any case, then arguments separated by spaces (RFC 1939 §3, RFC 2449 §4).

`read` makes an order of a line.  A parser takes what follows the keyword and its space, and gives the arguments of the
command or raises ArgumentError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from twisted_mail.pop3.texts import Text
from twisted_mail.sasl import MAX_RESPONSE
from twisted_mail.transcript import harmless

MAX_LINE = 255
"""Octets of a command with its CRLF (RFC 2449 §4)."""
MAX_LOGIN_LINE = 512
"""The same for USER and PASS, whose arguments are longer today than in 1998."""
MAX_AUTH_LINE = MAX_RESPONSE
"""The same for AUTH with its initial response, and for a response (RFC 5034 §4)."""


class State(Enum):
    """Where the session stands (RFC 1939 §3).  UPDATE takes no commands: it is the question that QUIT asks."""

    AUTHORIZATION = auto()
    TRANSACTION = auto()
    CLOSED = auto()


class CommandError(Exception):
    """The line is no command of this state."""


class ArgumentError(CommandError):
    """The arguments are not what the command wants."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.name)
        self.text = text


Parser = Callable[[bytes], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the session's table."""

    action: Callable[..., Any]
    """Called with the session, or its Reading, and what *parse* gives."""
    states: tuple[State, ...]
    """Where the command is legal."""
    parse: Parser
    limit: int = MAX_LINE
    """Octets with CRLF."""
    is_reading: bool = False
    """The action is one of reading.py."""


Order = tuple[Command, tuple[Any, ...], bytes]
"""A line that is a command: which one, the arguments for its action, and the line as it may be kept (transcript.py)."""


def keyword(line: bytes) -> bytes:
    """What a line begins with, in capitals."""
    return line.partition(b" ")[0].upper()


def read(commands: Mapping[bytes, Command], line: bytes) -> Order:
    """What *line* orders, where these are the commands, by keyword.  Raises CommandError."""
    word, _, argument = line.partition(b" ")
    verb = word.upper()
    command = commands.get(verb)
    if command is None:
        raise CommandError("there is no such command here")
    if len(line) + 2 > command.limit:
        raise ArgumentError(Text.LINE_TOO_LONG)
    return command, command.parse(argument), harmless(line, verb, known=True)


def nothing(argument: bytes) -> tuple[()]:
    """No argument."""
    if argument.strip(b" "):
        raise ArgumentError(Text.NO_ARGUMENT)
    return ()


def number(argument: bytes) -> tuple[int]:
    """A message number."""
    digits = argument.strip(b" ")
    if not digits.isdigit():
        raise ArgumentError(Text.NUMBER_NEEDED)
    return (int(digits),)


def optional_number(argument: bytes) -> tuple[int | None]:
    """A message number or nothing."""
    return number(argument) if argument.strip(b" ") else (None,)


def number_and_lines(argument: bytes) -> tuple[int, int]:
    """A message number and a number of lines."""
    words = argument.split()
    if len(words) != 2 or not words[0].isdigit() or not words[1].isdigit():
        raise ArgumentError(Text.NUMBERS_NEEDED)
    return int(words[0]), int(words[1])


def name(argument: bytes) -> tuple[bytes]:
    """A name, which may hold spaces but does not end in one."""
    stripped = argument.strip(b" ")
    if not stripped:
        raise ArgumentError(Text.ARGUMENT_MISSING)
    return (stripped,)


def optional_word(argument: bytes) -> tuple[str]:
    """One word of ASCII, or an empty text."""
    words = argument.split()
    if len(words) > 1:
        raise ArgumentError(Text.TOO_MANY_ARGUMENTS)
    return (words[0].decode("ascii", "replace") if words else "",)


def verbatim(argument: bytes) -> tuple[bytes]:
    """All that follows the one space: a password may begin and end with spaces (RFC 1939 §7 PASS)."""
    if not argument:
        raise ArgumentError(Text.ARGUMENT_MISSING)
    return (argument,)


def mechanism(argument: bytes) -> tuple[str, bytes | None]:
    """A SASL mechanism in upper case, empty where there is none, and its initial response, still in base64."""
    words = argument.split()
    if len(words) > 2:
        raise ArgumentError(Text.TOO_MANY_ARGUMENTS)
    chosen = words[0].decode("ascii", "replace").upper() if words else ""
    return chosen, words[1] if len(words) > 1 else None
