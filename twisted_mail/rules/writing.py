"""Rules as the text of their file: what `rulesfile.parse_rules` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from twisted_mail.rules.comparing import Comparison
from twisted_mail.rules.conditions import (
    ALWAYS,
    AddressTest,
    AllOf,
    AnyOf,
    Condition,
    EnvelopeTest,
    Exists,
    HeaderTest,
    Junk,
    Larger,
    Not,
    Part,
    Smaller,
)
from twisted_mail.rules.ruleset import Reply, Rule
from twisted_mail.units import size_text

LONG = 100
"""Characters of a line, above which a list of conditions gets a line each."""


def rules_text(rules: Sequence[Rule]) -> str:
    """For a person to read and to change."""
    return "\n".join("".join(f"{line}\n" for line in ("[[rule]]", *_lines(rule))) for rule in rules)


def condition_text(condition: Condition) -> str:
    """As a table on one line."""
    return f"{{ {', '.join(_words(condition))} }}"


def _lines(rule: Rule) -> Iterator[str]:
    if rule.name:
        yield f"name = {_quoted(rule.name)}"
    if rule.when != ALWAYS:
        yield from _when(rule.when)
    if rule.folders:
        yield f"folder = {_list(rule.folders)}"
    if rule.forward:
        yield f"forward = {_list(rule.forward)}"
    for key in ("copy", "keep", "discard"):
        if getattr(rule, key):
            yield f"{key} = true"
    if rule.marks:
        yield f"mark = {_list([mark.name.lower() for mark in rule.marks])}"
    if rule.reply is not None:
        yield from _reply(rule.reply)
    if rule.stop:
        yield "stop = true"


def _when(condition: Condition) -> Iterator[str]:
    line = f"when = {condition_text(condition)}"
    if len(line) > LONG and isinstance(condition, AllOf | AnyOf):
        yield f"when.{'all' if isinstance(condition, AllOf) else 'any'} = ["
        yield from (f"    {condition_text(each)}," for each in condition.conditions)
        yield "]"
    else:
        yield line


def _words(condition: Condition) -> Iterator[str]:
    match condition:
        case HeaderTest(names, comparison):
            yield f"header = {_list(names)}"
            yield from _comparing(Part.ALL, comparison)
        case AddressTest(names, part, comparison):
            yield f"address = {_list(names)}"
            yield from _comparing(part, comparison)
        case EnvelopeTest(ends, part, comparison):
            yield f"envelope = {_list([end.value for end in ends])}"
            yield from _comparing(part, comparison)
        case Larger(octets):
            yield f"larger = {_size(octets)}"
        case Smaller(octets):
            yield f"smaller = {_size(octets)}"
        case Exists(names):
            yield f"exists = {_list(names)}"
        case Junk(wanted):
            yield f"junk = {'true' if wanted else 'false'}"
        case AllOf(conditions):
            yield f"all = [{', '.join(map(condition_text, conditions))}]"
        case AnyOf(conditions):
            yield f"any = [{', '.join(map(condition_text, conditions))}]"
        case Not(inner):
            yield f"not = {condition_text(inner)}"


def _comparing(part: Part, comparison: Comparison) -> Iterator[str]:
    if part is not Part.ALL:
        yield f'part = "{part.value}"'
    yield f"{comparison.match.value} = {_list(comparison.keys)}"
    if comparison.exact:
        yield "exact = true"


def _reply(reply: Reply) -> Iterator[str]:
    """Only a text of its own can have lines."""
    more = [f"days = {reply.days}"] if reply.days != Reply("").days else []
    if reply.subject:
        more.append(f"subject = {_quoted(reply.subject)}")
    if reply.sender is not None:
        more.append(f"from = {_quoted(str(reply.sender))}")
    if reply.addresses:
        more.append(f"addresses = {_list(reply.addresses)}")
    if not more:
        yield f"reply = {_block(reply.text)}"
        return
    yield f"reply.text = {_block(reply.text)}"
    yield from (f"reply.{line}" for line in more)


def _size(octets: int) -> str:
    return _quoted(size_text(octets)) if octets else "0"


def _list(values: Sequence[object]) -> str:
    texts = [_quoted(str(value)) for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _quoted(text: str) -> str:
    """JSON's texts are TOML's, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _block(text: str) -> str:
    if "\n" not in text:
        return _quoted(text)
    # quotes stay escaped: three of them would end it
    return '"""\n' + "\n".join(_quoted(line)[1:-1] for line in text.split("\n")) + '"""'
