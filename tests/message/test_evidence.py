"""What speaks for junk and against it, and what people read of it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.message.evidence import ENOUGH, Evidence, counted, is_junk, junk_field, without_junk_fields

SOME = st.lists(st.builds(Evidence, st.floats(-20, 20), st.text(max_size=300)), min_size=1, max_size=5)


class EvidenceTests(SynchronousTestCase):
    def test_sum_decides(self) -> None:
        for points, expected in (
            ([5.0], True),
            ([4.9], False),
            ([4.9, -1.5, 2.0], True),
            ([4.9, -1.5, 1.5], False),
            ([5.0, -3.0], True),
            ([0.1] * 50, True),
            ([], False),
        ):
            self.assertEqual(expected, is_junk([Evidence(each, "") for each in points]), points)

    def test_field_has_a_line_a_reason(self) -> None:
        field = junk_field([Evidence(4.0, "no name"), Evidence(-1.25, "known; to\nyou"), Evidence(0.0, "é")])
        self.assertEqual(b"X-Junk: no (2.8 of 5);\n +4 no name;\n -1.25 known? to?you;\n +0 ?\n", field)

    def test_nothing_speaks_in_favour_where_a_finding_is_enough(self) -> None:
        field = junk_field([Evidence(-3.0, "known"), Evidence(ENOUGH, "on a list"), Evidence(1.0, "no name")])
        self.assertEqual(b"X-Junk: yes (6 of 5);\n +5 on a list;\n +1 no name\n", field)

    @given(SOME)
    def test_nothing_gets_out_of_the_field(self, evidence: list[Evidence]) -> None:
        field = junk_field(evidence)
        self.assertIsNotNone(re.fullmatch(rb"X-Junk: [!-~ ;]+(\n [!-~ ;]*)+\n", field))
        self.assertEqual(len(counted(evidence)) + 1, field.count(b"\n"))
        self.assertEqual(b"Subject: x\n\n", without_junk_fields(field + b"Subject: x\n\n"))
