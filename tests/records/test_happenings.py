"""The table of what can happen names what the source says, and each has words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import TestCase

from twisted_mail.records.happenings import HAPPENINGS
from twisted_mail.records.telling import _TELLERS

PACKAGE = Path(__file__).parent.parent.parent / "twisted_mail"
MADE_BY_THE_JOURNAL = {"fault", "journal.lost"}


def named_events() -> Iterator[str]:
    """All that is given to a logger as `event=...`, or to `note` as its second argument."""
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "records"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                values = [word.value for word in node.keywords if word.arg == "event"]
                if isinstance(node.func, ast.Attribute) and node.func.attr == "note":
                    values += node.args[1:2]
                yield from (v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str))
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "event":
                yield from (
                    c.value for c in ast.walk(node.value) if isinstance(c, ast.Constant) and "." in str(c.value)
                )


class HappeningsTests(TestCase):
    def test_every_event_of_the_table_is_in_the_source(self) -> None:
        self.assertEqual(set(), set(HAPPENINGS) - MADE_BY_THE_JOURNAL - set(named_events()))

    def test_each_can_be_told(self) -> None:
        self.assertEqual(set(HAPPENINGS), set(_TELLERS))
