"""`mailserver account set`: what is particular to one account; and what `set` is like for domains and aliases.

ATTRIBUTES says which there are.  What acts on them reads them from the directory, in the form in which they are stored.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twisted_mail.auth.directory import ADMIN
from twisted_mail.auth.names import account_address
from twisted_mail.auth.quotas import QUOTA, UNLIMITED
from twisted_mail.cli.commandline import CommandError, Parser, Run, add_command
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.units import duration_text, parse_duration, parse_size, size_text

_DAY = 86_400

OFF = "off"
DEFAULT = "default"
"""The value that means: as for everybody."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A row of the table."""

    read: Callable[[str], str]
    """From what was written to what is stored; raises ValueError in words for who wrote it."""
    help: str
    words: Callable[[str], str] = str
    """From what is stored to what `read` takes."""


def _seconds(text: str) -> str:
    return str(parse_duration(text))


def _a_day_or_more(text: str) -> str:
    seconds = parse_duration(text)
    if seconds < _DAY:
        raise ValueError(f'"{text}" is less than a day, in which nobody could be told before; write it like "30d"')
    return str(seconds)


def _in_seconds(value: str) -> str:
    return duration_text(int(value))


def _octets(text: str) -> str:
    return str(parse_size(text))


def _octets_or_off(text: str) -> str:
    return UNLIMITED if text == OFF else _octets(text)


def _size_in_words(value: str) -> str:
    return OFF if value == UNLIMITED else size_text(int(value))


def _count(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 10**9):
        raise ValueError(f'"{text}" is not a number from 1 up')
    return str(int(text))


def _true(text: str) -> str:
    if text != "true":
        raise ValueError(f'"{text}" is not true; {ADMIN}={DEFAULT} takes that right away')
    return text


_COUNTS = {
    "messages-per-hour": "messages that the account may send",
    "messages-per-day": "as above, in a day",
    "recipients-per-hour": "recipients of all those messages",
    "recipients-per-day": "as above, in a day",
    "new-recipients-per-day": "recipients that the account has not written to before",
}

ATTRIBUTES: Mapping[str, Attribute] = {
    "expire": Attribute(_a_day_or_more, "mail is deleted when it is that old, as in expire=30d", _in_seconds),
    "login-delay": Attribute(_seconds, "POP3 logins are that far apart, as in login-delay=60s", _in_seconds),
    QUOTA: Attribute(
        _octets_or_off,
        f'mail that the account may keep, as in quota="1 GiB"; {OFF}: all that comes, whatever its domain says',
        _size_in_words,
    ),
    **{name: Attribute(_count, help) for name, help in _COUNTS.items()},
    ADMIN: Attribute(_true, "the account may administer the server on its web page, as in admin=true"),
}
TOTAL_OF_DOMAIN = Attribute(_octets, 'mail that all of them may keep, as in total-quota="10 GiB"', _size_in_words)
QUOTA_OF_DOMAIN = Attribute(_octets, 'mail that each of its accounts may keep, as in quota="1 GiB"', _size_in_words)


def add_set(commands: argparse._SubParsersAction[Parser]) -> None:
    """account set."""
    parser = add_set_command(commands, "an account", ATTRIBUTES, set_attributes)
    parser.add_argument("address", metavar="ADDRESS")
    add_settings(parser)


def add_set_command(
    commands: argparse._SubParsersAction[Parser], whose: str, attributes: Mapping[str, Attribute], run: Run
) -> Parser:
    """A `set`; it needs the argument that says whose, then `add_settings`."""
    known = "; ".join(f"{name}: {attribute.help}" for name, attribute in attributes.items())
    text = f"Set what is particular to {whose}.  {known}.  NAME={DEFAULT} removes it."
    return add_command(commands, "set", text, run)


def add_settings(parser: Parser) -> None:
    parser.add_argument("settings", metavar="NAME=VALUE", nargs="+")


def set_attributes(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    values = parsed_settings(arguments, ATTRIBUTES)
    with opened_directory(configuration(arguments)) as directory:
        directory.set_attributes(address, values)
        now = directory.attributes(address)
    print(f"{address}: {', '.join(settings_in_words(now, ATTRIBUTES)) or 'nothing in particular'}")


def settings_in_words(values: Mapping[str, str], attributes: Mapping[str, Attribute]) -> list[str]:
    """As `set` takes them."""
    return [f"{name}={attributes[name].words(value)}" for name, value in values.items() if name in attributes]


def parsed_settings(arguments: argparse.Namespace, attributes: Mapping[str, Attribute]) -> dict[str, str | None]:
    """As they are stored; None: removed.  Raises CommandError."""
    return dict(_parsed(setting, attributes) for setting in arguments.settings)


def _parsed(setting: str, attributes: Mapping[str, Attribute]) -> tuple[str, str | None]:
    name, equals, value = setting.partition("=")
    attribute = attributes.get(name)
    if not equals or attribute is None:
        raise CommandError(f'"{setting}" is not NAME=VALUE; there is {", ".join(attributes)}')
    if value == DEFAULT:
        return name, None
    try:
        return name, attribute.read(value)
    except ValueError as error:
        raise CommandError(f"{name}: {error}") from error
