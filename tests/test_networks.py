from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.networks import Networks, neighbourhood, parse_network


class NetworkTests(TestCase):
    def test_hosts_are_found_in_their_networks(self) -> None:
        networks = Networks(tuple(map(parse_network, ("192.0.2.7", "10.0.0.0/8", "2001:db8::/32"))))
        for host in ("192.0.2.7", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1::5", "2001:db8::1%eth0"):
            self.assertIn(host, networks)
        for host in ("192.0.2.8", "11.0.0.1", "::ffff:11.0.0.1", "2001:db9::1", "", "localhost", "fe80::1%eth0"):
            self.assertNotIn(host, networks)
        self.assertNotIn("192.0.2.7", Networks(()))

    def test_hosts_of_one_operator_are_neighbours(self) -> None:
        for host, network in (
            ("192.0.2.7", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
            ("unknown", ""),
        ):
            self.assertEqual(network, neighbourhood(host))

    def test_wrong_networks_are_told_how_to_write_them(self) -> None:
        for text, words in (("mail.example", "write it like"), ("", "write it like"), ("10.1.0.0/8", '"10.0.0.0/8"')):
            error = self.assertRaises(ValueError, parse_network, text)
            self.assertIn(words, str(error))
