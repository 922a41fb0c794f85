"""Endpoint strings: what is taken apart, what is refused, and with which words."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.listenaddress import ListenAddress

TAKEN = {
    "tcp:25": ("tcp", 25, "", 50, "", None),
    "tcp:port=25": ("tcp", 25, "", 50, "", None),
    "tcp:0:interface=127.0.0.1": ("tcp", 0, "127.0.0.1", 50, "", None),
    "tcp:port=587:interface=192.0.2.1:backlog=1024": ("tcp", 587, "192.0.2.1", 1024, "", None),
    "tcp:25:127.0.0.1:7": ("tcp", 25, "127.0.0.1", 7, "", None),
    r"tcp6:25:interface=\:\:1": ("tcp6", 25, "::1", 50, "", None),
    "unix:/run/lmtp.sock:mode=660": ("unix", None, "", 50, "/run/lmtp.sock", 0o660),
    "unix:address=/run/lmtp.sock": ("unix", None, "", 50, "/run/lmtp.sock", None),
    r"unix:/run/a\:b": ("unix", None, "", 50, "/run/a:b", None),
    "systemd:domain=INET:index=0": ("systemd", None, "", 50, "", None),
}
REFUSED = {
    "25": 'write it like "tcp:25"',
    "": 'write it like "tcp:25"',
    "tpc:25": 'write "tcp:" instead of "tpc:"',
    "TCP:25": 'write "tcp:" instead of "TCP:"',
    "tcp:": "port is missing",
    "tcp:smtp": 'port is "smtp"; it must be a number from 0 to 65535',
    "tcp:65536": 'port is "65536"',
    "tcp:-1": 'port is "-1"',
    "tcp:25:interface=localhost": "write interface=127.0.0.1",
    "tcp:25:iface=127.0.0.1": 'unknown parameter "iface"; it takes port, interface, backlog',
    "tcp:25:127.0.0.1:5:6": "too many parts",
    "unix:lmtp.sock": "the full path of the socket",
    "unix:/run/lmtp.sock:mode=999": "an octal number",
    "haproxy:tcp:25": "not safe for mail",
}


class ListenAddressTests(TestCase):
    def test_endpoint_strings_are_taken_apart(self) -> None:
        for text, expected in TAKEN.items():
            a = ListenAddress.parse(text)
            self.assertEqual(expected, (a.kind, a.port, a.interface, a.backlog, a.path, a.mode), text)
            self.assertEqual(text, a.text)

    def test_wrong_ones_are_refused_with_what_to_write(self) -> None:
        for text, words in REFUSED.items():
            with self.assertRaises(ValueError, msg=text) as caught:
                ListenAddress.parse(text)
            self.assertIn(words, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_only_local_addresses_are_loopback(self) -> None:
        loopback = {text for text in TAKEN if ListenAddress.parse(text).is_loopback}
        self.assertEqual(
            {
                "tcp:0:interface=127.0.0.1",
                "tcp:25:127.0.0.1:7",
                r"tcp6:25:interface=\:\:1",
                "unix:/run/lmtp.sock:mode=660",
                "unix:address=/run/lmtp.sock",
                r"unix:/run/a\:b",
            },
            loopback,
        )
