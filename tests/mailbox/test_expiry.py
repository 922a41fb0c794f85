"""Which mail goes when, that its owner was told before, and what lies in the Maildir then."""

from __future__ import annotations

import os

import pytest

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.framing import wire_size
from twisted_mail.interfaces import MaildropLocked
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.expiry import AHEAD, FILE_NAME, NOTICE, Announced, Mailbox, Plan, expire, load, make_plan
from twisted_mail.mailbox.expirynotice import MAX_LISTED, Going, notice
from twisted_mail.mailbox.journal import Bounds
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.mailbox.undo import restore, undoable
from twisted_mail.smtp.address import Address

NOW = 1_700_000_000
DAY = 86_400
STAY = 30 * DAY
NOTHING = Plan([], {})


def aged(**days: float) -> dict[str, int]:
    """Unique-id -> when it came, from its age in days."""
    return {uid: int(NOW - age * DAY) for uid, age in days.items()}


# what lies there, what was announced -> the plan
PLANS = {
    "nothing there": ({}, Announced(), NOTHING),
    "young": (aged(a=28.9), Announced(), NOTHING),
    "a day before": (aged(a=29), Announced(), Plan([], {"a": NOW + DAY})),
    "and what follows": (aged(a=29, b=23, c=21.9), Announced(), Plan([], {"a": NOW + DAY, "b": NOW + 7 * DAY})),
    "old, never told": (aged(a=1000), Announced(), Plan([], {"a": NOW + DAY})),
    "told, not due": (aged(a=1000), Announced({"a": NOW + 1}), NOTHING),
    "told and due": (aged(a=1000, b=1), Announced({"a": NOW}), Plan(["a"], {})),
    "told, and stays longer now": (aged(a=29.5), Announced({"a": NOW - DAY}), NOTHING),
    "told today, more is old": (aged(a=30), Announced({}, {"n": NOW - DAY + 1}), NOTHING),
    "told yesterday, more is old": (aged(a=30), Announced({}, {"n": NOW - DAY}), Plan([], {"a": NOW + DAY})),
    "an announcement itself": (aged(n=30), Announced({}, {"n": NOW - STAY}), Plan(["n"], {})),
    "a young announcement": (aged(n=29.9), Announced({}, {"n": NOW - 29 * DAY}), NOTHING),
}


@pytest.mark.parametrize(("came", "announced", "plan"), PLANS.values(), ids=PLANS)
def test_plan_removes_what_was_announced_and_announces_what_follows(
    came: dict[str, int], announced: Announced, plan: Plan
) -> None:
    assert make_plan(came, announced, STAY, NOW) == plan


def test_every_message_of_a_busy_mailbox_is_announced_a_day_before_and_once_a_week_is_enough() -> None:
    announced, notices, stay = Announced(), 0, 10 * DAY
    came: dict[str, int] = {}
    for hour in range(24 * 60):
        now = NOW + hour * 3600
        came[f"message{hour}"] = now
        plan = make_plan(came, announced, stay, now)
        for uid in plan.remove:
            assert now - came.pop(uid) >= stay
            assert now >= announced.due[uid]
        if plan.announce:
            notices += 1
            assert min(plan.announce.values()) >= now + NOTICE
            announced = Announced({**announced.due, **plan.announce}, {f"notice{hour}": now})
    assert min(came.values()) >= now - stay - 3600 - NOTICE
    assert notices == 8


class ExpiryTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mailbox = Mailbox(self.path, Address("alice", "example.org"), STAY, "mx.example", Bounds())

    def put_aged(self, days: float, text: bytes = b"From: bob@example.net\nSubject: lunch\n\nx\n") -> str:
        name = maildir.unique_name(NOW - days * DAY, os.urandom(16).hex(), "mx")
        return self.put(f"new/{maildir.final_name(name, len(text), wire_size(text))}", text)

    def expire(self, days: float = 0) -> Plan:
        """So many days from NOW."""
        return expire(self.mailbox, NOW + days * DAY)

    def there(self) -> set[str]:
        return set(maildir.scan(self.path))

    def notice(self, *known: str) -> bytes:
        [path] = self.there() - set(known)
        with open(f"{self.path}/{path}", "rb") as file:
            text = file.read()
        self.assertEqual(wire_size(text), maildir.wire_size_of(path))
        return text

    def test_the_user_is_told_a_day_before_and_then_it_goes(self) -> None:
        old, young = self.put_aged(29), self.put_aged(1)
        self.expire()
        self.assertIn(
            b"Subject: 1 message will be deleted from the server, the first on 2023-11-15", self.notice(old, young)
        )
        self.assertIn(b"\n2023-11-15  bob@example.net: lunch\n", self.notice(old, young))
        self.expire(0.9)
        self.assertEqual(3, len(self.there()))
        self.expire(1)
        self.assertEqual((False, True), (old in self.there(), young in self.there()))

    def test_one_announcement_speaks_for_a_week(self) -> None:
        old = [self.put_aged(29 - day) for day in range(9)]
        for day in range(8):
            self.expire(day)
            self.assertEqual(1, len(self.there() - set(old)), day)
        self.assertEqual(old[7:], [path for path in old if path in self.there()])
        self.assertEqual(1, self.notice(*old).count(b"2023-11-22"))
        self.expire(8)
        self.assertEqual(2, len(self.there() - set(old)))

    def test_what_went_can_be_restored_and_is_announced_again(self) -> None:
        old = self.put_aged(29)
        self.expire()
        self.expire(1)
        self.assertNotIn(old, self.there())
        [kept] = undoable(self.path)
        restore(self.path, kept.session)
        self.assertEqual(1, len(self.expire(1.5).announce))
        self.expire(2.4)
        self.assertIn(old, self.there())
        self.expire(2.5)
        self.assertNotIn(old, self.there())

    def test_without_undo_it_is_gone(self) -> None:
        self.mailbox = Mailbox(self.path, self.mailbox.account, STAY, "mx.example", None)
        self.put_aged(29)
        self.expire()
        self.expire(1)
        self.assertEqual([], undoable(self.path))
        self.assertEqual(1, len(self.there()))

    def test_the_last_announcement_goes_without_another(self) -> None:
        self.put_aged(29)
        for day in range(100):
            self.expire(day)
        self.assertEqual(set(), self.there())
        self.assertEqual(Announced({}, load(self.path).notices), load(self.path))

    def test_a_message_whose_name_does_not_say_when_it_came_goes_by_its_time(self) -> None:
        old, young = self.put("new/foreign"), self.put("cur/1.young:2,S")
        os.utime(f"{self.path}/{old}", (NOW - STAY, NOW - STAY))
        os.utime(f"{self.path}/{young}", (NOW, NOW))
        self.assertEqual(["foreign"], list(self.expire().announce))

    def test_an_open_maildrop_is_left_for_later(self) -> None:
        self.put_aged(29)
        lock = MaildropLock(self.path, "a session")
        self.assertRaises(MaildropLocked, self.expire)
        lock.release()
        self.assertEqual(1, len(self.expire().announce))

    def test_a_mailbox_with_nothing_to_do_is_not_locked(self) -> None:
        self.put_aged(1)
        lock = MaildropLock(self.path, "a session")
        self.addCleanup(lock.release)
        self.assertEqual(NOTHING, self.expire())

    def test_a_missing_maildir_is_empty(self) -> None:
        self.mailbox = Mailbox(self.path + "-none", self.mailbox.account, STAY, "mx.example", None)
        self.assertEqual(NOTHING, self.expire())
        self.assertFalse(os.path.exists(self.mailbox.path))

    def test_state_that_nobody_can_have_written_is_ignored(self) -> None:
        with open(f"{self.path}/{FILE_NAME}", "wb") as file:
            file.write(b"\xff\n17\nx y\n\n1700000000 uid\n1700000001 other notice\n1 2 3\n")
        self.assertEqual(Announced({"uid": NOW}, {"other": NOW + 1}), load(self.path))

    def test_announcement_names_many_but_not_all(self) -> None:
        old = [self.put_aged(29) for _ in range(MAX_LISTED + 7)]
        self.expire()
        text = self.notice(*old)
        self.assertEqual(MAX_LISTED, text.count(b": lunch\n"))
        self.assertIn(b"\nand 7 more until 2023-11-15\n", text)
        self.assertIn(b"Subject: 57 messages will be", text)

    def test_announcement_shows_any_header_on_one_line(self) -> None:
        strange = {
            b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\n\n": "(no sender): Gr\u00fc\u00dfe",
            b"Subject: =?no-such-charset?q?x?=\nFrom: x\r\n\n": "x: =?no-such-charset?q?x?=",
            b"Subject: =?utf-8?b?A?=\n\n": "(no sender): =?utf-8?b?A?=",
            b"Subject: \x1b[31mred\n and\n more\n\n": "(no sender): [31mred and more",
            b"no header": "(no sender): (no subject)",
            b"Subject: " + b"x" * 1000 + b"\n\n": f"(no sender): {'x' * 97}...",
        }
        old = [self.put_aged(29, text) for text in strange]
        self.expire()
        text = self.notice(*old).decode()
        for words in strange.values():
            self.assertIn(f"  {words}\n", text)

    def test_announcement_does_not_follow_a_link_in_the_place_of_a_message(self) -> None:
        link = f"{self.path}/new/link"
        os.symlink(os.path.abspath(f"{self.path}/{self.put_aged(29)}"), link)
        text = notice("0" * 32, self.mailbox.account, "mx.example", STAY, [Going(NOW, link)])
        assert isinstance(text.body, bytes)
        self.assertIn(b"  (cannot be read)\n", text.body)

    def test_time_bounds_are_as_the_announcement_says(self) -> None:
        self.assertEqual((DAY, 7 * DAY), (NOTICE, AHEAD))
