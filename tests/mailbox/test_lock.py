"""The lock of a maildrop: within a process, between processes, and when its holder is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.interfaces import LoginTooSoon, MaildropLocked
from twisted_mail.mailbox.lock import FILE_NAME, MaildropLock, holder_of

HOLD = """
import sys, time
from twisted_mail.mailbox.lock import MaildropLock
lock = MaildropLock(sys.argv[1], "another process")
print("locked", flush=True)
sys.stdin.read()
"""


class LockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        os.mkdir(self.path)

    def test_second_session_of_the_process_is_told_who_has_it(self) -> None:
        lock = MaildropLock(self.path, "alice from 192.0.2.1")
        error = self.assertRaises(MaildropLocked, MaildropLock, self.path, "alice from 192.0.2.2")
        self.assertEqual("alice from 192.0.2.1", str(error))
        self.assertEqual("alice from 192.0.2.1", holder_of(self.path))
        lock.release()

    def test_released_lock_can_be_taken_again(self) -> None:
        lock = MaildropLock(self.path, "a longer text than the one that follows")
        lock.release()
        lock.release()
        self.assertEqual("", holder_of(self.path))
        again = MaildropLock(self.path, "second")
        self.assertEqual("second", holder_of(self.path))
        again.release()

    def test_refused_session_leaves_no_descriptor_open(self) -> None:
        lock = MaildropLock(self.path, "first")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            self.assertRaises(MaildropLocked, MaildropLock, self.path, "other")
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))
        lock.release()

    def test_missing_maildir_needs_no_lock(self) -> None:
        lock = MaildropLock(self.path + "/nowhere", "alice")
        self.assertEqual("", holder_of(self.path + "/nowhere"))
        lock.release()

    def test_line_that_is_too_long_is_cut(self) -> None:
        lock = MaildropLock(self.path, "x" * 2000)
        self.assertEqual("x" * 511, holder_of(self.path))
        lock.release()

    def test_lock_of_another_process_holds_and_dies_with_it(self) -> None:
        other = subprocess.Popen(
            [sys.executable, "-c", HOLD, self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with other:
            assert other.stdout is not None
            self.assertEqual("locked\n", other.stdout.readline())
            error = self.assertRaises(MaildropLocked, MaildropLock, self.path, "us")
            self.assertEqual("another process", str(error))
            other.send_signal(signal.SIGKILL)
            other.wait()
        self.assertEqual("", holder_of(self.path))
        MaildropLock(self.path, "us").release()

    def test_file_stays_when_the_lock_goes(self) -> None:
        MaildropLock(self.path, "us").release()
        self.assertTrue(os.path.exists(f"{self.path}/{FILE_NAME}"))


class LoginDelayTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        os.mkdir(self.path)

    def log_in(self, delay: float) -> None:
        MaildropLock(self.path, "a session", login_delay=delay).release()

    def age(self, seconds: float) -> None:
        """As if the last login were so long ago."""
        when = time.time() - seconds
        os.utime(f"{self.path}/{FILE_NAME}", (when, when))

    def test_the_first_login_need_not_wait(self) -> None:
        self.log_in(60)

    def test_the_next_one_must(self) -> None:
        self.log_in(60)
        self.assertRaises(LoginTooSoon, self.log_in, 60)
        self.age(59)
        self.assertRaises(LoginTooSoon, self.log_in, 60)
        self.age(61)
        self.log_in(60)

    def test_a_refused_login_does_not_begin_the_wait_anew(self) -> None:
        self.log_in(60)
        self.age(59)
        before = os.stat(f"{self.path}/{FILE_NAME}").st_mtime_ns
        self.assertRaises(LoginTooSoon, self.log_in, 60)
        self.assertEqual(before, os.stat(f"{self.path}/{FILE_NAME}").st_mtime_ns)
        self.assertEqual("", holder_of(self.path))

    def test_work_on_the_maildrop_is_no_login(self) -> None:
        for _ in range(2):
            MaildropLock(self.path, "restore", is_login=False).release()
        self.log_in(60)
        self.age(59)
        MaildropLock(self.path, "restore", is_login=False).release()
        self.assertRaises(LoginTooSoon, self.log_in, 60)
        self.age(61)
        MaildropLock(self.path, "restore", is_login=False).release()
        self.log_in(60)

    def test_a_login_from_the_future_delays_nobody(self) -> None:
        self.log_in(60)
        self.age(-3600)
        self.log_in(60)
