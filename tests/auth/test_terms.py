"""What is announced before the login, and what holds for one account."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.auth.database import NOTICED_AFTER
from twisted_mail.auth.directory import Directory
from twisted_mail.auth.terms import DAY
from twisted_mail.pop3.terms import Terms, TermsRange
from twisted_mail.smtp.address import Address

ALICE, BOB = (Address(name, "example.org") for name in ("alice", "bob"))


class TermsTests(SynchronousTestCase):
    def setUp(self) -> None:
        path = f"{self.mktemp()}/directory.sqlite"
        self.clock = Clock()
        self.directory = Directory(path, clock=self.clock.seconds)
        self.command = Directory(path)
        """As `mailserver` in another process."""
        self.addCleanup(self.directory.close)
        self.addCleanup(self.command.close)
        self.command.add_domain("example.org")
        self.command.add_account(ALICE, "hash")
        self.command.add_account(BOB, "hash")
        self.terms = self.directory.terms

    def set(self, account: Address, **values: int | None) -> None:
        attributes = {name.replace("_", "-"): value and str(value) for name, value in values.items()}
        self.command.set_attributes(account, attributes)
        self.clock.advance(NOTICED_AFTER)

    def announced(self) -> tuple[str, str]:
        return self.terms.range().expire, self.terms.range().login_delay

    def test_by_default_mail_stays_and_logins_are_free(self) -> None:
        self.assertEqual(Terms(None, 0), self.terms.of(ALICE))
        self.assertEqual(TermsRange(), self.terms.range())
        self.assertEqual(("NEVER", "0"), self.announced())

    def test_what_one_account_has_is_announced_as_different(self) -> None:
        self.set(ALICE, expire=30 * DAY, login_delay=60)
        self.assertEqual(Terms(30, 60), self.terms.of(ALICE))
        self.assertEqual(Terms(), self.terms.of(BOB))
        self.assertEqual(("30 USER", "60 USER"), self.announced())

    def test_the_strictest_is_announced(self) -> None:
        self.set(ALICE, expire=30 * DAY, login_delay=60)
        self.set(BOB, expire=7 * DAY, login_delay=10)
        self.assertEqual(("7 USER", "60 USER"), self.announced())

    def test_what_all_have_alike_is_announced_as_such(self) -> None:
        self.set(ALICE, expire=30 * DAY, login_delay=60)
        self.set(BOB, expire=30 * DAY, login_delay=60)
        self.assertEqual(("30", "60"), self.announced())

    def test_a_change_is_seen_at_once(self) -> None:
        self.set(ALICE, login_delay=60)
        self.assertEqual("60 USER", self.terms.range().login_delay)
        self.set(ALICE, login_delay=None)
        self.assertEqual("0", self.terms.range().login_delay)

    def test_no_more_is_promised_than_is_kept(self) -> None:
        self.set(ALICE, expire=2 * DAY - 1)
        self.assertEqual(1, self.terms.of(ALICE).expire)

    def test_accounts_whose_mail_expires_are_listed(self) -> None:
        self.set(BOB, expire=30 * DAY)
        self.set(ALICE, login_delay=60)
        self.assertEqual([(BOB, 30 * DAY)], self.terms.expiring())
