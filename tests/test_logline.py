"""Lines of the log: words, fields, and nothing that a peer could forge."""

from __future__ import annotations

import json

from twisted.trial.unittest import TestCase

from twisted_mail.logline import MAX_SHOWN, Head, as_json, as_text

HEAD = Head("2026-11-21T05:10:00.123Z", "info", "smtp")


class TextTests(TestCase):
    def line(self, text: str, **fields: object) -> str:
        line = as_text(HEAD, text, fields)
        self.assertTrue(line.startswith("2026-11-21T05:10:00.123Z info  smtp: "), line)
        return line.removeprefix("2026-11-21T05:10:00.123Z info  smtp: ")

    def test_words_come_first_and_each_other_field_once(self) -> None:
        line = self.line("from {sender}", session="ab12", sender="a@example.org", size=5)
        self.assertEqual("from a@example.org session=ab12 size=5\n", line)

    def test_empty_fields_and_those_of_the_logger_are_left_out(self) -> None:
        fields = {"user": "", "due": None, "zero": 0, "log_time": 1.5, "event": "message.accepted", "dialogue": "C: x"}
        self.assertEqual("done zero=0\n", self.line("done", **fields))

    def test_a_value_that_is_no_word_is_quoted(self) -> None:
        for value, shown in (
            ("250 Ok", '"250 Ok"'),
            ("a=b", '"a=b"'),
            ('say "x"', r'"say \"x\""'),
            ("grün", "grün"),
            ("grün und", '"grün und"'),
            (("a", "b"), "a,b"),
            (True, "True"),
            (0.25, "0.25"),
        ):
            self.assertEqual(f"x value={shown}\n", self.line("x", value=value))

    def test_a_long_list_is_cut(self) -> None:
        line = self.line("x", values=list(range(MAX_SHOWN + 1)))
        self.assertEqual("x values=0,1,2,3,4,5,6,7,8,9,...\n", line)

    def test_no_value_ends_the_line_or_reaches_the_terminal(self) -> None:
        for evil in ("a\nb", "a\r\nb", "a\x1b[31mb", "a\x9bb", "a\u2028b", "a\x00b"):
            for line in (self.line("x", value=evil), self.line("{value}", value=evil)):
                body = line.removesuffix("\n").replace("\n\t", "")
                self.assertTrue(body.isprintable(), ascii(line))

    def test_a_traceback_follows_indented(self) -> None:
        line = as_text(HEAD, "our fault", {"session": "ab12"}, "Traceback:\n  File\nValueError: x\n")
        self.assertEqual("our fault session=ab12\n\tTraceback:\n\t  File\n\tValueError: x\n", line.partition(": ")[2])


class JSONTests(TestCase):
    def test_all_fields_are_there_with_their_types(self) -> None:
        fields = {"size": 5, "recipients": ["a", "b"], "event": "message.accepted", "user": "", "log_time": 1.0}
        line = as_json(HEAD, "{size} octets", fields, "Traceback\n")
        expected = {"time": HEAD.time, "level": "info", "system": "smtp", "text": "5 octets", "size": 5}
        expected |= {"recipients": ["a", "b"], "event": "message.accepted", "traceback": "Traceback\n"}
        self.assertEqual(expected, json.loads(line))

    def test_it_is_one_line_of_ascii_whatever_the_values_are(self) -> None:
        line = as_json(HEAD, "{value}", {"value": "grün\n\u2028", "error": ValueError("x"), "set": frozenset({1})})
        self.assertEqual(1, line.count("\n"))
        self.assertTrue(line.isascii())
        found = json.loads(line)
        self.assertEqual(("grün\n\u2028", "x", [1]), (found["text"], found["error"], found["set"]))
