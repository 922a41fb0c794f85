"""The file of an account's rules: TOML, for a person to read and write.

    [[rule]]
    name = "invoices"
    when = { header = "Subject", contains = ["invoice", "bill"] }
    folder = "Work.Invoices"

READERS and CONDITIONS are the tables of its keys.  An error names the line, the rule and the key.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted_mail.rules.comparing import Comparison, Match
from twisted_mail.rules.conditions import (
    AddressTest,
    AllOf,
    AnyOf,
    Condition,
    End,
    EnvelopeTest,
    Exists,
    HeaderTest,
    Junk,
    Larger,
    Not,
    Part,
    Smaller,
)
from twisted_mail.rules.foldername import disk_name
from twisted_mail.rules.problem import Problem
from twisted_mail.rules.ruleset import MAX_FORWARDS, MOST_DAYS, Mark, Reply, Rule
from twisted_mail.smtp.address import Address, AddressError, parse_address
from twisted_mail.tomltext import syntax_problem
from twisted_mail.units import parse_size

MAX_OCTETS = 64 * 1024
"""Of the file: read in 30 to 90 ms."""
MAX_RULES = 500
MAX_DEPTH = 30
"""Conditions in conditions (RFC 5228 §2.10.5 wants 15 at least)."""
MAX_REPLY = 64 * 1024
"""Characters."""

FIELD_NAME = re.compile(r"[!-9;-~]{1,80}")
_HEADER = re.compile(r"\s*\[\[\s*[\"']?rule[\"']?\s*\]\]")


class RulesError(Problem):
    """The text is no set of rules: where, what is wrong, and what to write instead."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A key of a rule, for errors."""

    text: str
    rule: int = 0
    """Counted from 1."""
    key: str = ""

    def error(self, problem: str) -> RulesError:
        where = [f"line {line}"] if (line := self._line()) else []
        where += [f"rule {self.rule}"] if self.rule else []
        where += [self.key] if self.key else []
        return RulesError(f"{', '.join(where)}: {problem}" if where else problem)

    def at(self, key: str) -> _Place:
        return _Place(self.text, self.rule, f"{self.key}.{key}" if self.key else key)

    def _line(self) -> int | None:
        """TOML's parser does not say.  Texts of several lines could mislead this scan; then it is off, no more."""
        lines = self.text.splitlines()
        heads = [number for number, line in enumerate(lines, 1) if _HEADER.match(line)]
        if not self.rule or len(heads) < self.rule:
            return None
        start = heads[self.rule - 1]
        end = heads[self.rule] if len(heads) > self.rule else len(lines) + 1
        name = re.compile(rf"\s*[\"']?{re.escape(self.key.partition('.')[0])}[\"']?\s*[=.]")
        return next((number for number in range(start, end) if self.key and name.match(lines[number - 1])), start)


Table = Mapping[str, object]
Reader = tuple[str, Callable[[object, _Place], object]]
"""The attribute, and how its value is read."""
T = TypeVar("T")


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Raises RulesError, and nothing else."""
    if len(text.encode(errors="replace")) > MAX_OCTETS:
        raise RulesError(f"the rules are larger than {MAX_OCTETS} octets; say less")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, problem = syntax_problem(error, text)
        raise RulesError(f"line {line}: {problem}") from error
    except (RecursionError, ValueError) as error:  # a number of thousands of digits, tables in tables in tables
        raise RulesError("there are values that are too long or too deep for rules") from error
    whole = _Place(text)
    if unknown := [key for key in document if key != "rule"]:
        raise whole.error(f'"{unknown[0]}" stands outside of a rule; each rule begins with [[rule]]')
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise whole.error("a rule begins with a line [[rule]], in two brackets")
    if len(tables) > MAX_RULES:
        raise whole.error(f"there are {len(tables)} rules, and {MAX_RULES} are possible")
    return tuple(_rule(table, _Place(text, number)) for number, table in enumerate(tables, 1))


def _rule(table: Table, place: _Place) -> Rule:
    """What READERS make of its keys, if it makes sense together."""
    rule = Rule(**_values(table, READERS, place))
    if (found := rule.problem()) is not None:
        key, problem = found
        raise (place.at(key) if key else place).error(problem)
    return rule


def _values(table: Table, readers: Mapping[str, Reader], place: _Place) -> dict[str, Any]:
    """By the attributes' names; each reader gives what its attribute takes."""
    values = {}
    for key, value in table.items():
        if key not in readers:
            raise place.at(key).error(f"unknown key; {_instead(key, readers)}")
        name, read = readers[key]
        values[name] = read(value, place.at(key))
    return values


def _instead(key: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"write {near[0]}" if near else f"there is {', '.join(known)}"


# ---- what stands at keys


def _text(value: object, place: _Place) -> str:
    if not isinstance(value, str):
        raise place.error('must be a text in "quotes"')
    return value


def _name(value: object, place: _Place) -> str:
    text = _text(value, place)
    if not text.strip() or not text.isprintable() or len(text) > 100:
        raise place.error("must be one line of up to 100 characters")
    return text


def _true(value: object, place: _Place) -> bool:
    if not isinstance(value, bool):
        raise place.error("must be true or false")
    return value


def _number(value: object, place: _Place, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise place.error(f"must be a number from 1 to {most}")
    return value


def _listed(read: Callable[[object, _Place], T]) -> Callable[[object, _Place], tuple[T, ...]]:
    """One, or some in brackets; at least one."""

    def read_all(value: object, place: _Place) -> tuple[T, ...]:
        values = value if isinstance(value, list) else [value]
        if not values:
            raise place.error("names nothing; leave it out, or say what is meant")
        return tuple(dict.fromkeys(read(each, place) for each in values))

    return read_all


def _folder(value: object, place: _Place) -> str:
    text = _text(value, place)
    try:
        disk_name(text)
    except ValueError as error:
        raise place.error(str(error)) from error
    return text


def _address(value: object, place: _Place) -> Address:
    try:
        return parse_address(_text(value, place).strip())
    except AddressError as error:
        raise place.error(str(error)) from error


_addresses = _listed(_address)


def _forward(value: object, place: _Place) -> tuple[Address, ...]:
    found = _addresses(value, place)
    if len(found) > MAX_FORWARDS:
        raise place.error(f"names {len(found)} addresses, and {MAX_FORWARDS} are possible; an alias can have more")
    return found


def _mark(value: object, place: _Place) -> Mark:
    names = {mark.name.lower(): mark for mark in Mark}
    if value not in names:
        raise place.error(f"is none of {', '.join(names)}")
    return names[str(value)]


def _reply(value: object, place: _Place) -> Reply:
    """A text, or a table with more than that."""
    table = _table(value, place) if isinstance(value, dict) else {"text": value}
    values = _values(table, _REPLY, place)
    if "text" not in values:
        raise place.error("needs a text")
    return Reply(**values)


def _reply_text(value: object, place: _Place) -> str:
    text = _text(value, place)
    if not text.strip() or len(text) > MAX_REPLY:
        raise place.error(f"must hold the answer, in at most {MAX_REPLY} characters")
    return text


# ---- conditions


def _when(value: object, place: _Place) -> Condition:
    return _condition(value, place, 0)


def _condition(value: object, place: _Place, depth: int) -> Condition:
    """A table with one key of CONDITIONS, and the words that belong to it."""
    table = _table(value, place)
    if depth > MAX_DEPTH:
        raise place.error(f"more than {MAX_DEPTH} conditions in conditions")
    about = [key for key in table if key in CONDITIONS]
    unknown = [key for key in table if key not in CONDITIONS and key not in _WORDS]
    if unknown:
        raise place.at(unknown[0]).error(f"unknown word; {_instead(unknown[0], [*CONDITIONS, *_WORDS])}")
    if len(about) != 1:
        found = f"has {' and '.join(about)}, and a condition is about one thing" if about else "is about nothing"
        raise place.error(f"{found}; there is {', '.join(CONDITIONS)}; several go into all = [...] or any = [...]")
    words, read = CONDITIONS[about[0]]
    if superfluous := [key for key in table if key in _WORDS and key not in words]:
        raise place.at(superfluous[0]).error(f"means nothing together with {about[0]}")
    return read(table, place, depth)


def _table(value: object, place: _Place) -> Table:
    if not isinstance(value, dict):
        raise place.error('must be a table, as in { header = "Subject", contains = "invoice" }')
    return value


def _comparison(table: Table, place: _Place) -> Comparison:
    found = [match for match in Match if match.value in table]
    if len(found) != 1:
        raise place.error(f"needs one of {', '.join(match.value for match in Match)}")
    keys = _listed(_text)(table[found[0].value], place.at(found[0].value))
    return Comparison(found[0], keys, _true(table.get("exact", False), place.at("exact")))


def _field(value: object, place: _Place) -> str:
    text = _text(value, place)
    if not FIELD_NAME.fullmatch(text):
        raise place.error(f'"{text}" is not the name of a field; write it like "Subject", without the colon')
    return text.lower()


_fields = _listed(_field)


def _part(table: Table, place: _Place) -> Part:
    name = table.get("part", Part.ALL.value)
    known = {part.value: part for part in Part}
    if name not in known:
        raise place.at("part").error(f"is none of {', '.join(known)}")
    return known[str(name)]


def _end(value: object, place: _Place) -> End:
    known = {end.value: end for end in End}
    if value not in known:
        raise place.error("is neither from nor to")
    return known[str(value)]


def _size(value: object, place: _Place) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15:
        return value
    try:
        return parse_size(_text(value, place))
    except ValueError as error:
        raise place.error(str(error)) from error


def _several(key: str, value: object, place: _Place, depth: int) -> tuple[Condition, ...]:
    if not isinstance(value, list):
        raise place.at(key).error(f"must be a list of conditions, as in {key} = [{{ ... }}, {{ ... }}]")
    return tuple(_condition(each, place.at(key), depth + 1) for each in value)


_COMPARING = ("exact", *(match.value for match in Match))
_WORDS = (*_COMPARING, "part")

CONDITIONS: Mapping[str, tuple[Sequence[str], Callable[[Table, _Place, int], Condition]]] = {
    "header": (_COMPARING, lambda t, p, d: HeaderTest(_fields(t["header"], p.at("header")), _comparison(t, p))),
    "address": (
        _WORDS,
        lambda t, p, d: AddressTest(_fields(t["address"], p.at("address")), _part(t, p), _comparison(t, p)),
    ),
    "envelope": (
        _WORDS,
        lambda t, p, d: EnvelopeTest(_listed(_end)(t["envelope"], p.at("envelope")), _part(t, p), _comparison(t, p)),
    ),
    "larger": ((), lambda t, p, d: Larger(_size(t["larger"], p.at("larger")))),
    "smaller": ((), lambda t, p, d: Smaller(_size(t["smaller"], p.at("smaller")))),
    "exists": ((), lambda t, p, d: Exists(_fields(t["exists"], p.at("exists")))),
    "junk": ((), lambda t, p, d: Junk(_true(t["junk"], p.at("junk")))),
    "all": ((), lambda t, p, d: AllOf(_several("all", t["all"], p, d))),
    "any": ((), lambda t, p, d: AnyOf(_several("any", t["any"], p, d))),
    "not": ((), lambda t, p, d: Not(_condition(t["not"], p.at("not"), d + 1))),
}
"""What a condition can be about -> the words that go with it, and how it is read."""

READERS: Mapping[str, Reader] = {
    "name": ("name", _name),
    "when": ("when", _when),
    "folder": ("folders", _listed(_folder)),
    "forward": ("forward", _forward),
    "copy": ("copy", _true),
    "keep": ("keep", _true),
    "discard": ("discard", _true),
    "mark": ("marks", _listed(_mark)),
    "reply": ("reply", _reply),
    "stop": ("stop", _true),
}
_REPLY: Mapping[str, Reader] = {
    "text": ("text", _reply_text),
    "days": ("days", lambda value, place: _number(value, place, MOST_DAYS)),
    "subject": ("subject", _name),
    "from": ("sender", _address),
    "addresses": ("addresses", _addresses),
}
