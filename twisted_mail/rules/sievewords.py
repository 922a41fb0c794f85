"""What single tests and actions of Sieve mean for rules: the tables of what there is, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from twisted_mail.rules.comparing import Comparison, Match
from twisted_mail.rules.conditions import (
    ALWAYS,
    NEVER,
    AddressTest,
    Condition,
    End,
    EnvelopeTest,
    Exists,
    HeaderTest,
    Larger,
    Part,
    Smaller,
)
from twisted_mail.rules.foldername import disk_name
from twisted_mail.rules.ruleset import MOST_DAYS, Mark, Reply, Rule
from twisted_mail.rules.rulesfile import FIELD_NAME
from twisted_mail.rules.sievesyntax import Argument, Command, Number, SieveError, Strings, Tag
from twisted_mail.smtp.address import Address, AddressError, parse_address

EXTENSIONS = {
    *("fileinto", "envelope", "copy", "mailbox", "subaddress", "vacation", "imap4flags"),
    *("comparator-i;octet", "comparator-i;ascii-casemap"),
}
"""What `require` may name."""

_COMPARATORS = {"i;ascii-casemap": False, "i;octet": True}
"""-> whether it is exact."""
_MATCHES = {match.value: match for match in Match}
_PARTS = {"all": Part.ALL, "localpart": Part.LOCAL, "domain": Part.DOMAIN, "user": Part.USER, "detail": Part.DETAIL}
_SUBADDRESS = ("user", "detail")
_FLAGS = {"\\seen": Mark.SEEN, "\\flagged": Mark.FLAGGED, "\\answered": Mark.ANSWERED}

T = TypeVar("T", bound=Argument)


@dataclass(slots=True)
class Arguments:
    """Those of one command, taken away one after another."""

    command: Command
    required: set[str]
    left: list[Argument]

    def error(self, problem: str) -> SieveError:
        return SieveError(self.command.line, f"{self.command.name} {problem}")

    def need(self, extension: str) -> None:
        if extension not in self.required:
            raise self.error(f'needs the line require "{extension}"; at the top of the script')

    def tag(self, *names: str) -> str | None:
        """One of them, if it is there."""
        for argument in self.left:
            if isinstance(argument, Tag) and argument.name in names:
                self.left.remove(argument)
                return argument.name
        return None

    def behind(self, tag: str, kind: type[T]) -> T | None:
        """The value that follows :tag."""
        for position, argument in enumerate(self.left):
            if isinstance(argument, Tag) and argument.name == tag:
                value = self.left[position + 1] if position + 1 < len(self.left) else None
                if not isinstance(value, kind):
                    raise self.error(f"has nothing fitting behind :{tag}")
                del self.left[position : position + 2]
                return value
        return None

    def next(self, kind: type[T], what: str) -> T:
        """The next argument in its place."""
        if not self.left or not isinstance(self.left[0], kind):
            tag = next((f", and not :{each.name}" for each in self.left[:1] if isinstance(each, Tag)), "")
            raise self.error(f"needs {what}{tag}")
        value = self.left.pop(0)
        assert isinstance(value, kind)
        return value

    def string(self, what: str) -> str:
        return self.single(self.next(Strings, what))

    def single(self, found: Strings) -> str:
        if found.is_list:
            raise self.error("takes one string here, and no list")
        return found.values[0]

    def end(self, *, tests: int = 0, block: bool = False) -> None:
        """There is no more of it."""
        for argument in self.left:
            shown = f":{argument.name}" if isinstance(argument, Tag) else "one argument more"
            raise self.error(f"with {shown} is not supported here")
        if len(self.command.tests) != tests or (self.command.block is not None) is not block:
            raise self.error("has a test or a block that does not belong there, or lacks one")


# ---- tests


def _always(arguments: Arguments) -> Condition:
    arguments.end()
    return ALWAYS


def _never(arguments: Arguments) -> Condition:
    arguments.end()
    return NEVER


def _header(arguments: Arguments) -> Condition:
    match, exact = _how(arguments)
    names = _field_names(arguments)
    return HeaderTest(names, _comparison(arguments, match, exact))


def _address(arguments: Arguments) -> Condition:
    part = _part(arguments)
    match, exact = _how(arguments)
    names = _field_names(arguments)
    return AddressTest(names, part, _comparison(arguments, match, exact))


def _envelope(arguments: Arguments) -> Condition:
    arguments.need("envelope")
    part = _part(arguments)
    match, exact = _how(arguments)
    names = [name.lower() for name in arguments.next(Strings, '"from" or "to"').values]
    known = {end.value: end for end in End}
    if unknown := [name for name in names if name not in known]:
        raise arguments.error(f'knows "from" and "to", and not "{unknown[0]}"')
    return EnvelopeTest(tuple(dict.fromkeys(known[name] for name in names)), part, _comparison(arguments, match, exact))


def _size(arguments: Arguments) -> Condition:
    direction = arguments.tag("over", "under")
    if direction is None:
        raise arguments.error("needs :over or :under")
    octets = arguments.next(Number, "a number").value
    arguments.end()
    return Larger(octets) if direction == "over" else Smaller(octets)


def _exists(arguments: Arguments) -> Condition:
    names = _field_names(arguments)
    arguments.end()
    return Exists(names)


def _how(arguments: Arguments) -> tuple[Match, bool]:
    """Match type and comparator (RFC 5228 §2.7)."""
    match = _MATCHES[arguments.tag(*_MATCHES) or Match.IS.value]
    found = arguments.behind("comparator", Strings)
    name = "i;ascii-casemap" if found is None else arguments.single(found)
    if name not in _COMPARATORS:
        raise arguments.error(f'with the comparator "{name}" is not supported here; there is {", ".join(_COMPARATORS)}')
    return match, _COMPARATORS[name]


def _part(arguments: Arguments) -> Part:
    name = arguments.tag(*_PARTS)
    if name in _SUBADDRESS:
        arguments.need("subaddress")
    return _PARTS[name or "all"]


def _comparison(arguments: Arguments, match: Match, exact: bool) -> Comparison:
    keys = arguments.next(Strings, "a string or a list of them to compare with").values
    arguments.end()
    return Comparison(match, tuple(dict.fromkeys(keys)), exact)


def _field_names(arguments: Arguments) -> tuple[str, ...]:
    names = arguments.next(Strings, "the name of a field").values
    for name in names:
        if not FIELD_NAME.fullmatch(name):
            raise arguments.error(f'has "{name}" for the name of a field')
    return tuple(dict.fromkeys(name.lower() for name in names))


TESTS: Mapping[str, Callable[[Arguments], Condition]] = {
    "true": _always,
    "false": _never,
    "header": _header,
    "address": _address,
    "envelope": _envelope,
    "size": _size,
    "exists": _exists,
}
"""Besides allof, anyof and not."""


# ---- actions


def _keep(arguments: Arguments) -> Rule:
    arguments.end()
    return Rule(keep=True)


def _discard(arguments: Arguments) -> Rule:
    arguments.end()
    return Rule(discard=True)


def _stop(arguments: Arguments) -> Rule:
    arguments.end()
    return Rule(stop=True)


def _fileinto(arguments: Arguments) -> Rule:
    arguments.need("fileinto")
    copy = _copies(arguments)
    if arguments.tag("create"):  # a folder is always made where it is missing
        arguments.need("mailbox")
    name = arguments.string("the name of a folder")
    arguments.end()
    if "/" in name and "." not in name:  # the other usual separator
        name = name.replace("/", ".")
    try:
        disk_name(name)
    except ValueError as error:
        raise arguments.error(f"cannot be taken over: {error}") from error
    return Rule(folders=(name,), copy=copy)


def _redirect(arguments: Arguments) -> Rule:
    copy = _copies(arguments)
    text = arguments.string("an address")
    arguments.end()
    return Rule(forward=(_parsed(arguments, text),), copy=copy)


def _vacation(arguments: Arguments) -> Rule:
    arguments.need("vacation")
    days = arguments.behind("days", Number)
    subject, sender = arguments.behind("subject", Strings), arguments.behind("from", Strings)
    addresses = arguments.behind("addresses", Strings)
    text = arguments.string("the text of the answer")
    arguments.end()
    if not text.strip():
        raise arguments.error("has an empty text")
    reply = Reply(
        text.rstrip("\n") if text.count("\n") == 1 else text,
        # the bounds that a site may set (RFC 5230 §4.1)
        Reply("").days if days is None else min(max(days.value, 1), MOST_DAYS),
        "" if subject is None else _line(arguments, arguments.single(subject)),
        None if sender is None else _parsed(arguments, arguments.single(sender)),
        () if addresses is None else tuple(dict.fromkeys(_parsed(arguments, text) for text in addresses.values)),
    )
    return Rule(reply=reply)


def _flag(arguments: Arguments) -> Rule:
    arguments.need("imap4flags")
    names = [name for text in arguments.next(Strings, "a flag").values for name in text.split()]
    arguments.end()
    if unknown := [name for name in names if name.lower() not in _FLAGS]:
        raise arguments.error(f'with the flag "{unknown[0]}" is not supported here; there is {", ".join(_FLAGS)}')
    if not names:
        raise arguments.error("without a flag is not supported here")
    return Rule(marks=tuple(dict.fromkeys(_FLAGS[name.lower()] for name in names)))


def _copies(arguments: Arguments) -> bool:
    if not arguments.tag("copy"):
        return False
    arguments.need("copy")
    return True


def _parsed(arguments: Arguments, text: str) -> Address:
    try:
        return parse_address(text.strip())
    except AddressError as error:
        raise arguments.error(f"needs an address as in alice@example.org, and nothing around it: {error}") from error


def _line(arguments: Arguments, text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > 100:
        raise arguments.error("needs a subject of one line, of up to 100 characters")
    return text


ACTIONS: Mapping[str, Callable[[Arguments], Rule]] = {
    "keep": _keep,
    "discard": _discard,
    "stop": _stop,
    "fileinto": _fileinto,
    "redirect": _redirect,
    "vacation": _vacation,
    "setflag": _flag,
    "addflag": _flag,
}
