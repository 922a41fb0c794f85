"""The servers that the configuration names for mail that leaves, and the passwords for them."""

from __future__ import annotations

from tests.test_outgoing import ALICE, BOB, RelayCase
from twisted_mail.config import ConfigError
from twisted_mail.smarthosts import read_routes


class SmarthostTests(RelayCase):
    def test_password_that_cannot_be_read_is_told_with_its_section(self) -> None:
        smarthost = 'smarthost = "tcp:192.0.2.1"\nsmarthost_user = "u"\nsmarthost_password_file = "gone"\n'
        for section in ("[relay]", '[relay.senders."example.org"]'):
            with self.assertRaises(ConfigError) as caught:
                read_routes(self.config(f"{section}\n{smarthost}"))
            self.assertIn(f"{section} smarthost cannot be used", str(caught.exception))
            self.assertIn("gone", str(caught.exception))

    def test_login_of_a_sender_is_its_own(self) -> None:
        config = self.config(
            '[relay.senders."example.org"]\nsmarthost = "tcp:192.0.2.1"\n'
            'smarthost_user = "org"\nsmarthost_password_file = "password"\n'
        )
        route = read_routes(config).find(ALICE, "there.example")
        assert route is not None
        assert route.login is not None
        self.assertEqual(("org", "secret"), (route.login.user, route.login.password))
        self.assertIsNone(read_routes(config).find(BOB, "there.example"))
