"""The exposition format, as Prometheus reads it."""

from __future__ import annotations

import math
import shutil
import subprocess

from twisted.trial.unittest import SkipTest, TestCase

from twisted_mail.exposition import Kind, Metric, exposition

COUNTER = Metric("mail_total", Kind.COUNTER, "Messages.", ("service", "outcome"))
GAUGE = Metric("mail_free", Kind.GAUGE, 'Back\\slash, "quotes"\nand a second line.')
HISTOGRAM = Metric("mail_seconds", Kind.HISTOGRAM, "Time.", ("service",), (0.5, 1.0))
NUMBERS = (
    (COUNTER, {("smtp", "refused"): 2.0, ("smtp", "accepted"): 3.0}),
    (GAUGE, {(): 0.25}),
    (HISTOGRAM, {("pop3",): [1.0, 2.0, 4.0, 9.5]}),
)


class ExpositionTests(TestCase):
    def test_each_kind_of_number(self) -> None:
        self.assertEqual(
            "# HELP mail_total Messages.\n"
            "# TYPE mail_total counter\n"
            'mail_total{service="smtp",outcome="accepted"} 3\n'
            'mail_total{service="smtp",outcome="refused"} 2\n'
            '# HELP mail_free Back\\\\slash, "quotes"\\nand a second line.\n'
            "# TYPE mail_free gauge\n"
            "mail_free 0.25\n"
            "# HELP mail_seconds Time.\n"
            "# TYPE mail_seconds histogram\n"
            'mail_seconds_bucket{service="pop3",le="0.5"} 1\n'
            'mail_seconds_bucket{service="pop3",le="1"} 3\n'
            'mail_seconds_bucket{service="pop3",le="+Inf"} 7\n'
            'mail_seconds_sum{service="pop3"} 9.5\n'
            'mail_seconds_count{service="pop3"} 7\n',
            exposition(NUMBERS),
        )

    def test_no_value_breaks_its_line(self) -> None:
        text = exposition([(COUNTER, {('a"b\\c\nd', ""): 1.0})])
        self.assertEqual('mail_total{service="a\\"b\\\\c\\nd",outcome=""} 1', text.splitlines()[-1])

    def test_large_and_infinite_numbers(self) -> None:
        for value, shown in (
            (2.0**60, "1152921504606846976"),
            (math.inf, "+Inf"),
            (-math.inf, "-Inf"),
            (1e-7, "1e-07"),
        ):
            self.assertEqual(f"mail_free {shown}", exposition([(GAUGE, {(): value})]).splitlines()[-1])

    def test_a_metric_without_a_value_is_left_out(self) -> None:
        self.assertEqual("", exposition([(COUNTER, {}), (GAUGE, {})]))

    def test_promtool_has_no_complaint(self) -> None:
        promtool = shutil.which("promtool")
        if promtool is None:
            raise SkipTest("promtool is not there (Debian package prometheus)")
        text = exposition([NUMBERS[0], NUMBERS[2]])
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))
