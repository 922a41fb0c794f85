"""What the [relay] section makes of the queue: lines, bounds and retries."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.config import Config, load
from twisted_mail.outgoing import Lines, retry_policies
from twisted_mail.smarthosts import read_routes
from twisted_mail.smtp.address import parse_address

ALICE, BOB = parse_address("alice@example.org"), parse_address("bob@example.com")


class RelayCase(SynchronousTestCase):
    def config(self, text: str) -> Config:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        Path(self.folder, "password").write_text("secret\n")
        path = Path(self.folder, "mailserver.toml")
        path.write_text(text)
        return load(str(path))


class LinesTests(RelayCase):
    def lines(self, text: str) -> Lines:
        config = self.config(text)
        return Lines(config.relay, read_routes(config))

    def test_each_domain_has_a_line_of_its_own_unless_a_server_takes_several(self) -> None:
        lines = self.lines('[routes]\n"inside.example" = "tcp:192.0.2.1"\n".inside.example" = "tcp:192.0.2.1"')
        for recipient, line in (
            ("x@a.example", "a.example"),
            ("x@b.example", "b.example"),
            ("x@inside.example", "192.0.2.1 port 25"),
            ("x@sub.inside.example", "192.0.2.1 port 25"),
        ):
            self.assertIn(line, lines.of(ALICE, parse_address(recipient)))
        self.assertEqual(
            lines.of(ALICE, parse_address("x@inside.example")), lines.of(None, parse_address("y@z.inside.example"))
        )

    def test_sender_decides_over_the_smarthost_and_its_login_over_the_line(self) -> None:
        lines = self.lines(
            '[relay]\nsmarthost = "tcp:192.0.2.1"\n[routes]\n"inside.example" = "tcp:192.0.2.9"\n'
            '[relay.senders."example.org"]\nsmarthost = "tcp:192.0.2.1"\n'
            'smarthost_user = "org"\nsmarthost_password_file = "password"\n'
            '[relay.senders."example.com"]\n'
        )
        there, inside = parse_address("x@there.example"), parse_address("x@inside.example")
        shared, own = lines.of(None, there), lines.of(ALICE, there)
        self.assertEqual(f"{shared} as org", own)
        self.assertEqual("there.example", lines.of(BOB, there))
        self.assertEqual(shared, lines.of(parse_address("a@other.example"), there))
        self.assertEqual(1, len({lines.of(sender, inside) for sender in (None, ALICE, BOB)}))

    def test_domain_with_a_bound_of_its_own_has_it_wherever_its_mail_goes(self) -> None:
        domain = '[relay.domains."there.example"]\nconnections = 3\n'
        there, other = parse_address("x@there.example"), parse_address("x@other.example")
        for text in (
            "",
            '[relay]\nsmarthost = "tcp:192.0.2.1"\n',
            '[relay.senders."example.org"]\nsmarthost = "tcp:192.0.2.1"\n',
            '[routes]\n"there.example" = "lmtp:unix:/run/lmtp"\n',
        ):
            lines = self.lines(text + domain)
            bounds = lines.bounds()
            for sender in (None, ALICE, BOB):
                self.assertEqual(3, bounds.of(lines.of(sender, there)), text)
                self.assertEqual(20, bounds.of(lines.of(sender, other)), text)

    def test_bounds_are_those_of_the_section(self) -> None:
        bounds = self.lines("[relay]\nconnections = 7\nconnections_per_destination = 2").bounds()
        self.assertEqual((7, 2), (bounds.total, bounds.of("there.example")))


class RetryPoliciesTests(RelayCase):
    def test_domain_changes_what_it_names_and_nothing_else(self) -> None:
        policies = retry_policies(
            self.config(
                '[relay]\nretry = ["1 minute"]\ngive_up_after = "1 day"\n'
                '[relay.domains."a.example"]\nretry = ["5 minutes", "1 hour"]\n'
                '[relay.domains."b.example"]\ngive_up_after = "2 days"\ndelay_report_after = "off"'
            ).relay
        )
        for domain, intervals, give_up_after, late in (
            ("a.example", (300, 3600), 86_400, 4 * 3600),
            ("b.example", (60,), 2 * 86_400, None),
            ("c.example", (60,), 86_400, 4 * 3600),
        ):
            policy = policies.of(domain)
            self.assertEqual(intervals, policy.intervals, domain)
            self.assertEqual((give_up_after, late), (policy.give_up_after, policy.delay_report_after), domain)

    def test_delays_are_not_reported_where_that_is_off(self) -> None:
        policies = retry_policies(self.config('[relay]\ndelay_report_after = "off"').relay)
        self.assertIsNone(policies.of("a.example").delay_report_after)
