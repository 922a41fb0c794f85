"""Mailboxes that may hold so much, around the real store."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.mailbox.disk import MaildirTestCase
from tests.targets import ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.content import message_of
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IRoom
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.quota import LimitedMailboxes
from twisted_mail.mailbox.store import MailboxStore
from twisted_mail.mailbox.usage import measure
from twisted_mail.mailbox.views import Views
from twisted_mail.message.place import Place
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.smtp.reply import SMTPError

ALICE = Address("alice", "example.org")
INFO = Address("info", "example.org")


class FixedQuotas(dict[Address, int]):
    def exist(self) -> bool:
        return bool(self)

    def of(self, account: Address) -> int | None:
        return self.get(account)

    def of_domain(self, domain: str) -> int | None:
        return self.get(Address("", domain))


class QuotaCase(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.mktemp()
        self.quotas = FixedQuotas({ALICE: 10_000})
        reader = MaildirReader(self.committer, self.blocking)
        self.store = MailboxStore(self.root, "mx.example", self.committer, reader, Views(self.committer, self.blocking))
        self.limited = self.around(self.store)
        self.reports = UnreliableTarget()
        self.number = 0

    def around(self, target: IDeliveryTarget) -> LimitedMailboxes:
        return LimitedMailboxes(
            target, self.store.path, self.quotas, lambda: self.reports, "mx.example", self.blocking, Clock()
        )

    def begin(self, *to: str, target: IDeliveryTarget | None = None) -> IDelivery:
        delivery = self.result((target or self.limited).begin(ORIGIN, None, MailOptions()))
        for recipient in recipients(*(to or ("alice@example.org",))):
            self.result(delivery.add_recipient(recipient))
        return delivery

    def deliver(self, size: int, *to: str) -> list[str]:
        self.number += 1
        text = b"Subject: %d\n\n" % self.number
        delivery = self.begin(*to)
        text += b"x" * (size - len(text) - len(b"Return-Path: <>\n"))
        results = self.result(delivery.deliver(message_of(f"{self.number:032x}", text)))
        return [str(error.reply) if error else "ok" for error in results.values()]

    def warnings(self) -> list[str]:
        found = []
        for file in Path(self.root).glob("example.org/alice/new/*"):
            subjects = [line for line in file.read_text().splitlines() if line.startswith("Subject: Your")]
            found += subjects
        return sorted(found)

    def check(self, size: int | None) -> str:
        self.result(self.limited.check(INFO, [ALICE], size))
        return "ok"

    def refused(self, size: int | None) -> str:
        error = self.failure(self.limited.check(INFO, [Address("bob", "example.org"), ALICE], size), SMTPError)
        return str(error)


class QuotaTests(QuotaCase):
    def test_it_is_a_target_and_knows_of_room(self) -> None:
        verifyObject(IDeliveryTarget, self.limited)
        verifyObject(IRoom, self.limited)

    def test_announced_size_that_has_no_room_is_refused_in_the_name_of_the_alias(self) -> None:
        self.assertEqual(["ok"], self.deliver(6000))
        self.assertEqual("ok", self.check(None))
        self.assertEqual("ok", self.check(3900))
        self.assertEqual("452 4.2.2 The mailbox of info@example.org is full, try again later", self.refused(4100))
        self.assertIn("552 5.2.3 ", self.refused(10_001))

    def test_full_mailbox_takes_nothing_whatever_is_announced(self) -> None:
        self.quotas[ALICE] = 6000
        self.assertEqual(["ok"], self.deliver(6000))
        self.assertIn("452 4.2.2 ", self.refused(None))

    def test_message_that_has_no_room_is_refused_for_all_and_leaves_nothing(self) -> None:
        both = ("alice@example.org", "bob@example.org")
        self.assertEqual(["ok", "ok"], self.deliver(6000, *both))
        full = "452 4.2.2 The mailbox of a recipient is full, try again later"
        self.assertEqual([full, full], self.deliver(6000, *both))
        self.assertEqual([1, 1], [len(os.listdir(f"{self.root}/example.org/{user}/new")) for user in ("alice", "bob")])
        self.assertEqual(["ok"], self.deliver(1000))

    def test_room_that_was_made_is_there_at_once(self) -> None:
        self.deliver(6000)
        self.deliver(3000)
        for file in Path(self.root).glob("example.org/alice/new/*,S=6000,*"):
            file.unlink()
        self.assertEqual("ok", self.check(5000))
        self.assertEqual(["ok"], self.deliver(5000))

    def test_user_is_told_once_at_each_level_and_again_after_it_fell(self) -> None:
        self.quotas[ALICE] = 100_000
        self.deliver(70_000)
        self.assertEqual([], self.warnings())
        self.deliver(10_000)
        self.deliver(1000)
        self.assertEqual(["Subject: Your mailbox is 80 per cent full"], self.warnings())
        self.deliver(14_000)
        self.assertEqual(["80", "95"], [text.split()[4] for text in self.warnings()])
        self.deliver(100)
        self.assertEqual(2, len(self.warnings()))
        for file in Path(self.root).glob("example.org/alice/new/*,S=70000,*"):
            file.unlink()
        self.limited = self.around(self.store)  # a minute later, or another process
        self.deliver(1000)
        self.deliver(60_000)
        self.assertEqual(3, len(self.warnings()))

    def test_user_is_told_once_though_another_process_did_it(self) -> None:
        self.deliver(8500)
        self.limited = self.around(self.store)
        self.deliver(100)
        self.assertEqual(1, len(self.warnings()))

    def test_what_was_not_delivered_does_not_count(self) -> None:
        for fails_at in ("prepare", "deliver"):
            target = UnreliableTarget(fails_at)
            limited = self.around(target)
            for _ in range(3):
                delivery = self.begin(target=limited)
                call = delivery.prepare if fails_at == "prepare" else delivery.deliver
                (error,) = self.result(call(message(b"Subject: x\n\n" + b"x" * 6000))).values()
                self.assertEqual("451 4.3.0 not now", str(error))
                delivery.abort()

    def test_what_was_prepared_counts_until_it_is_given_up(self) -> None:
        first = self.begin()
        large = message(b"Subject: x\n\n" + b"x" * 6000)
        self.assertEqual([None], list(self.result(first.prepare(large)).values()))
        (error,) = self.result(self.begin().prepare(large)).values()
        self.assertIn("452 4.2.2 ", str(error))
        first.abort()
        third = self.begin()
        self.assertEqual([None], list(self.result(third.prepare(large)).values()))
        self.result(third.commit())
        third.abort()
        self.assertGreater(measure(self.store.path(ALICE)), 6000)
        self.assertIn("452 4.2.2 ", self.refused(6000))

    def test_message_counts_once_for_each_of_its_places(self) -> None:
        delivery = self.begin()
        text = message(b"Subject: x\n\n" + b"x" * 6000)
        (error,) = self.result(delivery.deliver(text.placed((Place(), Place(".Work"))))).values()
        self.assertIn("552 5.2.3 ", str(error))

    def test_accounts_without_quota_are_not_looked_at(self) -> None:
        self.assertEqual(["ok"], self.deliver(50_000, "bob@example.org"))
        self.quotas.clear()
        self.assertEqual(["ok"], self.deliver(50_000))
        self.assertEqual(0, self.hops)
        self.assertEqual("ok", self.check(10**9))

    def test_usage_that_cannot_be_read_keeps_no_mail_out(self) -> None:
        Path(self.root).mkdir()
        Path(self.root, "example.org").symlink_to("example.org")  # ELOOP
        self.result(self.limited.check(parse_address("a@example.org"), [ALICE], 5))
        self.assertEqual(1, len(self.flushLoggedErrors(OSError)))


class DomainQuotaTests(QuotaCase):
    def setUp(self) -> None:
        super().setUp()
        self.quotas.clear()
        self.quotas[Address("", "example.org")] = 10_000

    def test_mailboxes_share_the_room_of_their_domain(self) -> None:
        self.assertEqual(["ok"], self.deliver(4000, "bob@example.org"))
        self.assertEqual(["ok"], self.deliver(4000))
        full = "452 4.3.1 The mailboxes of example.org are full, try again later"
        self.assertEqual(full, self.refused(4000))
        self.assertEqual([full], self.deliver(4000))
        self.assertEqual([full] * 2, self.deliver(1500, "alice@example.org", "bob@example.org"))
        self.assertIn("552 5.3.4 ", self.refused(10_001))
        self.assertEqual(["ok"], self.deliver(10_001, "carol@elsewhere.example"))
        self.assertEqual(["ok"], self.deliver(2000, "carol@example.org"))

    def test_members_of_an_alias_are_counted_together(self) -> None:
        self.assertEqual(["ok"], self.deliver(3000))
        self.assertEqual("ok", self.check(4000))
        self.assertIn("452 4.3.1 ", self.refused(4000))  # bob and alice

    def test_postmaster_is_told_at_each_level(self) -> None:
        for size in (7000, 1200, 100, 1300):
            self.assertEqual(["ok"], self.deliver(size))
        told = [(str(to[0].address), text.split(b"Subject: ")[1].split(b"\n")[0]) for _, to, text in self.reports.taken]
        words = [b"The mailboxes of example.org are %d per cent full" % percent for percent in (81, 95)]
        self.assertEqual([("postmaster@example.org", text) for text in words], told)
        self.assertEqual(["alice"], [name for name in os.listdir(f"{self.root}/example.org") if name[0] != "."])

    def test_domain_whose_postmaster_cannot_be_told_takes_mail(self) -> None:
        self.reports.fails_at = "add"
        self.assertEqual(["ok"], self.deliver(8500))
        self.assertEqual(1, len(self.flushLoggedErrors(SMTPError)))
