"""A Sieve script becomes rules (RFC 5228; copy RFC 3894, vacation RFC 5230, imap4flags RFC 5232, mailbox RFC 5490).

What rules cannot say is refused with its line; nothing is left out.  Each `if` becomes rules whose conditions contain
those around it, and the contrary of those before an `elsif` or `else`: no condition depends on what was done before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from twisted_mail.rules.conditions import ALWAYS, NEVER, AllOf, AnyOf, Condition, Not
from twisted_mail.rules.ruleset import MAX_FORWARDS, Rule
from twisted_mail.rules.rulesfile import MAX_RULES
from twisted_mail.rules.sievesyntax import Command, Strings, parse_script
from twisted_mail.rules.sievewords import ACTIONS, EXTENSIONS, TESTS, Arguments

_REFUSALS = ("reject", "ereject")


def import_script(text: str) -> tuple[Rule, ...]:
    """Raises SieveError, and nothing else."""
    translation = _Translation()
    translation.block(parse_script(text), ())
    return tuple(translation.rules)


class _Translation:
    """Of one script; `rules` grow."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._required: set[str] = set()
        self._may_require = True
        self._marked = False

    def block(self, commands: list[Command], around: tuple[Condition, ...]) -> None:
        """*around*: the conditions of the blocks in which it stands."""
        before: list[Condition] | None = None
        is_first = True
        for command in commands:
            if command.name == "require":
                self._require(command)
                continue
            self._may_require = False
            if command.name in ("if", "elsif", "else"):
                before = self._branch(command, around, before)
                is_first = True
            else:
                before = None
                self._act(command, around, joins=not is_first)
                is_first = False

    def _require(self, command: Command) -> None:
        arguments = self._arguments(command)
        names = arguments.next(Strings, "the names of extensions").values
        arguments.end()
        if not self._may_require:
            raise arguments.error("must stand before all other commands")
        if unknown := [name for name in names if name not in EXTENSIONS]:
            raise arguments.error(
                f'"{unknown[0]}": that is not supported here; there is {", ".join(sorted(EXTENSIONS))}'
            )
        self._required.update(names)

    def _branch(
        self, command: Command, around: tuple[Condition, ...], before: list[Condition] | None
    ) -> list[Condition] | None:
        """*before*: the conditions of the same `if` so far; None: there is none, or `else` has ended it."""
        arguments = self._arguments(command)
        has_test = command.name != "else"
        arguments.end(tests=1 if has_test else 0, block=True)
        if command.name == "if":
            before = []
        elif before is None:
            raise arguments.error("does not follow an if")
        conditions = [*map(_contrary, before)]
        if has_test:
            conditions.append(self._test(command.tests[0]))
            before = [*before, conditions[-1]]
        assert command.block is not None
        self.block(command.block, (*around, *conditions))
        return before if has_test else None

    def _test(self, test: Command) -> Condition:
        arguments = self._arguments(test)
        if test.name in ("allof", "anyof"):
            arguments.end(tests=max(1, len(test.tests)))
            inner = tuple(map(self._test, test.tests))
            return AllOf(inner) if test.name == "allof" else AnyOf(inner)
        if test.name == "not":
            arguments.end(tests=1)
            return _contrary(self._test(test.tests[0]))
        if test.name not in TESTS:
            raise arguments.error(f"is a test that is not supported here; there is {', '.join(TESTS)}")
        return TESTS[test.name](arguments)

    def _act(self, command: Command, around: tuple[Condition, ...], *, joins: bool) -> None:
        """*joins*: the last rule comes from the same block."""
        arguments = self._arguments(command)
        if command.name in _REFUSALS:
            raise arguments.error("is not supported here: mail is refused before rules see it; use fileinto or discard")
        if command.name not in ACTIONS:
            raise arguments.error(f"is a command that is not supported here; there is if, {', '.join(ACTIONS)}")
        if command.name == "setflag" and self._marked:
            raise arguments.error("after other flags is not supported here; use addflag")
        wanted = ACTIONS[command.name](arguments)
        self._marked = self._marked or bool(wanted.marks)
        rule = replace(wanted, name=f"line {command.line}", when=_all(around))
        if (found := rule.problem()) is not None:
            raise arguments.error(found[1])
        joined = _joined(self.rules[-1], wanted) if joins else None
        if joined is not None:
            self.rules[-1] = joined
        elif len(self.rules) == MAX_RULES:
            raise arguments.error(f"is too much: the script has more than {MAX_RULES} rules")
        else:
            self.rules.append(rule)

    def _arguments(self, command: Command) -> Arguments:
        return Arguments(command, self._required, list(command.arguments))


def _joined(rule: Rule, more: Rule) -> Rule | None:
    """Both in one; None: that would mean something else."""
    if rule.stop or (rule.reply and more.reply):
        return None
    if more.marks and (rule.folders or rule.keep):  # they were put there without that mark
        return None
    puts, puts_more = (bool(each.folders or each.forward) for each in (rule, more))
    if puts and puts_more and rule.copy != more.copy:
        return None
    if (rule.discard or more.discard) and not more.stop:
        return None
    joined = Rule(
        rule.name,
        rule.when,
        tuple(dict.fromkeys((*rule.folders, *more.folders))),
        tuple(dict.fromkeys((*rule.forward, *more.forward))),
        rule.copy or more.copy,
        rule.keep or more.keep,
        rule.discard,
        tuple(dict.fromkeys((*rule.marks, *more.marks))),
        rule.reply or more.reply,
        more.stop,
    )
    return joined if len(joined.forward) <= MAX_FORWARDS else None


def _contrary(condition: Condition) -> Condition:
    if isinstance(condition, Not):
        return condition.condition
    if condition in (ALWAYS, NEVER):
        return NEVER if condition == ALWAYS else ALWAYS
    return Not(condition)


def _all(conditions: tuple[Condition, ...]) -> Condition:
    found = list(_flat(conditions))
    return found[0] if len(found) == 1 else AllOf(tuple(found))


def _flat(conditions: tuple[Condition, ...]) -> Iterator[Condition]:
    for condition in conditions:
        if isinstance(condition, AllOf):
            yield from _flat(condition.conditions)
        else:
            yield condition
