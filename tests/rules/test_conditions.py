"""Conditions, as the file says them, against one letter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.rules.letters import letter
from twisted_mail.rules.conditions import Condition, holds_always
from twisted_mail.rules.letter import Letter
from twisted_mail.rules.rulesfile import parse_rules

HOLD = [
    'header = "Subject", is = "your INVOICE of May"',
    'header = "subject", contains = "invoice"',
    'header = ["X-None", "Subject"], contains = ["none", "May"]',
    'header = "Subject", matches = "your * of ???"',
    'header = "X-Spaced", is = "a  b"',
    'address = "From", is = "bob+home@else.example"',
    'address = "From", part = "local", is = "bob+home"',
    'address = "From", part = "domain", is = "else.example"',
    'address = "From", part = "user", is = "bob"',
    'address = "From", part = "detail", is = "home"',
    'address = "To", is = "carol@example.org"',
    'envelope = "from", is = "bounce@else.example"',
    'envelope = "to", part = "detail", is = "shop"',
    'envelope = "to", part = "user", is = "Alice", exact = true',
    'envelope = ["from", "to"], contains = "example.org"',
    "larger = 999",
    'smaller = "1 KiB"',
    'exists = "list-id"',
    'exists = ["List-Id", "Subject"]',
    "junk = false",
    "all = []",
    "not = { any = [] }",
    'any = [{ junk = true }, { header = "List-Id", contains = "news" }]',
    'all = [{ junk = false }, { not = { exists = "X-None" } }]',
]
DO_NOT = [
    'header = "Subject", is = "invoice"',
    'header = "X-None", contains = ""',
    'header = "X-None", matches = "*"',
    'address = "From", is = "Bob, the builder"',
    'address = "To", part = "detail", matches = "*"',
    'envelope = "from", part = "detail", is = ""',
    'envelope = "to", part = "user", is = "alice", exact = true',
    "larger = 1000",
    "smaller = 1000",
    'exists = ["List-Id", "X-None"]',
    "junk = true",
    "any = []",
    "not = { all = [] }",
    'all = [{ junk = true }, { exists = "List-Id" }]',
]


def condition(text: str) -> Condition:
    return parse_rules(f"[[rule]]\nwhen = {{ {text} }}\nkeep = true\n")[0].when


class ConditionTests(SynchronousTestCase):
    def test_these_hold(self) -> None:
        self.assertEqual([], [text for text in HOLD if not condition(text).holds(letter())])

    def test_these_do_not(self) -> None:
        self.assertEqual([], [text for text in DO_NOT if condition(text).holds(letter())])

    def test_null_reverse_path_is_an_empty_text(self) -> None:
        for part in ("all", "local", "domain"):
            self.assertTrue(condition(f'envelope = "from", part = "{part}", is = ""').holds(letter(sender=None)))

    def test_what_holds_for_all_mail_is_known(self) -> None:
        for text in (
            "all = []",
            'header = "From", contains = ""',
            'address = ["X", "To"], matches = "*"',
            'envelope = "to", contains = ""',
            'exists = "From"',
            "larger = 0",
            "junk = false",
            'any = [{ junk = true }, { header = "Subject", matches = "*" }]',
            "not = { any = [] }",
            "not = { not = { all = [] } }",
        ):
            self.assertTrue(holds_always(condition(text)), text)
        for text in ('header = "X-None", contains = ""', "larger = 1", 'exists = ["From", "List-Id"]', "junk = true"):
            self.assertFalse(holds_always(condition(text)), text)

    @given(st.binary(max_size=300), st.booleans())
    def test_no_header_raises_anything(self, octets: bytes, junk: bool) -> None:
        self._ask_all(letter(octets, junk=junk))

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([b"Subject", b"From", b"To", b"List-Id"]),
                st.one_of(
                    st.binary(max_size=60),
                    st.text('=?utf8-qb_AQ<>@,()"\\ \n\t', max_size=80).map(str.encode),
                ),
            )
        )
    )
    def test_no_field_raises_anything(self, fields: list[tuple[bytes, bytes]]) -> None:
        self._ask_all(letter(b"".join(name + b": " + value + b"\n" for name, value in fields) + b"\n"))

    def _ask_all(self, letter: Letter) -> None:
        for text in (*HOLD, *DO_NOT):
            self.assertIn(condition(text).holds(letter), (True, False))

    def test_broken_encoded_words_stay_as_they_are(self) -> None:
        for subject in ("=?x-none?q?a?=", "=?utf-8?b?a?=", "=?utf-8?q?", "a =? b ?="):
            header = f"Subject: {subject}\n\n".encode()
            self.assertEqual([subject], letter(header).values("subject"))
        self.assertEqual(["a�b"], letter(b"Subject: a\xffb\n\n").values("subject"))
