"""SPF of our own domains, as others will see it."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.cli.checks.situations import ADDRESS, DOMAIN, HOSTNAME, Table, config_of, lines, situation
from twisted_mail.cli.checks.sending import check_spf

RIGHT: Table = {
    (HOSTNAME, "A"): [ADDRESS],
    (DOMAIN, "MX"): [f"10 {HOSTNAME}."],
    (DOMAIN, "TXT"): ["v=spf1 mx -all"],
}


class SPFTests(TestCase):
    def look(self, changes: Table, settings: str = "") -> list[str]:
        return lines(check_spf(situation(config_of(settings), {**RIGHT, **changes})))

    def test_record_of_init_lets_the_server_send(self) -> None:
        self.assertEqual([f"ok: SPF lets {ADDRESS} send for {DOMAIN}"], self.look({}))

    def test_record_that_names_others_only_is_told_for_each_address(self) -> None:
        found = self.look({(HOSTNAME, "AAAA"): ["2001:db8::25"], (DOMAIN, "TXT"): ["v=spf1 ip4:192.0.2.0/24 ~all"]})
        self.assertEqual(f"ok: SPF lets {ADDRESS} send for {DOMAIN}", found[0])
        self.assertEqual(
            "FAULT: SPF does not let 2001:db8::25 send for example.org (softfail: ~all), so others will refuse its "
            'mail or put it aside -> example.org. IN TXT "v=spf1 mx -all"   (or put ip6:2001:db8::25 into the one '
            "that is there)",
            found[1],
        )

    def test_wrong_record_is_told_with_what_is_wrong(self) -> None:
        (found,) = self.look({(DOMAIN, "TXT"): ["v=spf1 mx include:loop.example -all"], ("loop.example", "TXT"): ["x"]})
        self.assertTrue(found.startswith(f"ok: SPF lets {ADDRESS}"), found)
        (found,) = self.look({(DOMAIN, "TXT"): ["v=spf1 mx/99 -all"]})
        self.assertIn("(permerror: the record of example.org is wrong at ", found)

    def test_dns_that_fails_in_the_middle_is_told(self) -> None:
        (found,) = self.look({(DOMAIN, "TXT"): ["v=spf1 include:silent.example -all"], ("silent.example", "*"): []})
        self.assertIn("(temperror: ", found)

    def test_what_another_check_tells_is_left_to_it(self) -> None:
        self.assertEqual([], self.look({(DOMAIN, "TXT"): []}))
        self.assertEqual([], self.look({(HOSTNAME, "*"): []}))

    def test_server_that_sends_by_another_or_not_at_all_has_no_say(self) -> None:
        self.assertEqual(["ok: no mail goes to other servers from here"], self.look({}, "[relay]\nenabled = false\n"))
        (found,) = self.look({}, '[relay]\nsmarthost = "tcp:smtp.example.net:587"\n')
        self.assertTrue(found.startswith("ok: mail goes out by a smarthost"), found)
