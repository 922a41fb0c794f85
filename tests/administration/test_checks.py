"""What the process that checks says, as verdicts."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.administration.checks import _outcome


class OutcomeTests(SynchronousTestCase):
    def test_what_matters_goes_first(self) -> None:
        levels = ["ok", "fault", "advice"]
        rows = [{"check": "dns", "level": level, "finding": "A sentence.", "remedy": "do"} for level in levels]
        verdicts = _outcome(json.dumps(rows).encode(), b"1 thing matters")["verdicts"]
        self.assertEqual(["fault", "advice", "ok"], [verdict.level for verdict in verdicts])

    def test_a_process_that_failed_is_told_in_its_words(self) -> None:
        self.assertEqual({"failure": "no such file"}, _outcome(b"", b"no such file\n"))
        self.assertEqual({"failure": "The checks said nothing."}, _outcome(b"[{}]", b""))
