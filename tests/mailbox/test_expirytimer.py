"""When mailboxes are looked at for old mail, and what does not stop that."""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.expiry import Mailbox
from twisted_mail.mailbox.expirytimer import INTERVAL, ExpiryTimer
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.smtp.address import Address

DAY = 86_400
CAME = 1_700_000_000


class TimerTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.put(f"new/{CAME}.a.mx")
        self.clock = Clock()
        self.clock.advance(CAME + 8 * DAY)
        self.mailboxes = [Mailbox(self.path, Address("alice", "example.org"), 7 * DAY, "mx.example", None)]

    def start(self) -> ExpiryTimer:
        timer = ExpiryTimer(lambda: self.mailboxes, self.blocking, self.clock)
        self.addCleanup(timer.stop)
        timer.start()
        return timer

    def there(self) -> int:
        return len(maildir.scan(self.path))

    def test_old_mail_is_announced_at_the_start_and_goes_a_day_later(self) -> None:
        self.start()
        self.assertEqual(2, self.there())
        self.clock.pump([INTERVAL] * 23)
        self.assertEqual(2, self.there())
        self.clock.advance(INTERVAL)
        self.assertEqual(1, self.there())

    def test_an_open_mailbox_is_looked_at_again(self) -> None:
        lock = MaildropLock(self.path, "a session")
        self.start()
        self.assertEqual(1, self.there())
        lock.release()
        self.clock.advance(INTERVAL)
        self.assertEqual(2, self.there())

    def test_a_mailbox_in_trouble_is_logged_and_keeps_no_other_waiting(self) -> None:
        trouble = self.mktemp()
        os.mkdir(trouble)
        os.symlink("new", f"{trouble}/new")  # ELOOP
        self.mailboxes.insert(0, Mailbox(trouble, Address("bob", "example.org"), 7 * DAY, "mx.example", None))
        self.start()
        self.assertEqual(2, self.there())
        [error] = self.flushLoggedErrors(OSError)
        self.assertIn("Too many levels of symbolic links", error.getErrorMessage())

    def test_nothing_is_begun_after_the_stop(self) -> None:
        waiting: list[Deferred[object]] = []

        def later(call: object) -> Deferred[object]:
            waiting.append(Deferred())
            return waiting[-1].addCallback(lambda _: execute(call))  # type: ignore[arg-type]  # it is a callable

        self.mailboxes *= 2
        timer = ExpiryTimer(lambda: self.mailboxes, later, self.clock)
        timer.start()
        timer.stop()
        waiting[0].callback(None)
        self.assertEqual(1, len(waiting))
