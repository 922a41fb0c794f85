"""What a domain keeps, and when it is counted again."""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred

from tests.mailbox.disk import MaildirTestCase, deferred
from twisted_mail.mailbox.domainusage import MAX_AGE, RECOUNT, DomainUsages
from twisted_mail.mailbox.usage import Usages, measure_domain


class DomainUsageTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 4_000_000_000 * 10**9
        self.usages = Usages(self.blocking, lambda: self.now)
        self.domain = DomainUsages(self.usages, lambda: self.now)
        self.folder = self.mktemp()
        for user in ("alice", "bob"):
            os.makedirs(f"{self.folder}/{user}/new")
        self.message("alice", 500)
        self.message("bob", 70)

    def message(self, user: str, size: int) -> str:
        path = f"{self.folder}/{user}/new/1700000001.{size:032x}.mx,S={size},W={size}"
        with open(path, "xb"):
            return path

    def octets(self, limit: int = 10**9) -> int:
        return self.result(self.domain.octets(self.folder, limit))

    def test_all_mailboxes_are_added_up_in_one_job(self) -> None:
        self.assertEqual([570, 1], [self.octets(), self.hops])
        self.assertEqual(570, measure_domain(self.folder))
        self.assertEqual(0, self.result(self.domain.octets(f"{self.folder}/none", 5)))

    def test_deliveries_are_added_until_it_is_counted_again(self) -> None:
        self.octets()
        self.message("bob", 1000)
        self.domain.expect(self.folder, 900)
        self.domain.came(self.folder, 900)
        self.now += MAX_AGE - 1
        self.assertEqual([1470, 1], [self.octets(), self.hops])
        self.now += 1
        self.assertEqual([1570, 2], [self.octets(), self.hops])

    def test_one_that_is_full_is_counted_again_after_a_minute(self) -> None:
        self.assertEqual(570, self.octets(100))
        os.unlink(self.message("alice", 1))
        os.unlink(f"{self.folder}/alice/new/1700000001.{500:032x}.mx,S=500,W=500")
        self.assertEqual([570, 1], [self.octets(100), self.hops])
        self.now += RECOUNT
        self.assertEqual([70, 2], [self.octets(100), self.hops])

    def test_mailbox_that_was_listed_is_not_listed_again(self) -> None:
        self.octets()
        self.now += MAX_AGE
        self.message("bob", 5)  # seen by the folder's time; alice's would be seen only by a listing
        found = os.stat(f"{self.folder}/alice/new")
        os.unlink(f"{self.folder}/alice/new/1700000001.{500:032x}.mx,S=500,W=500")
        os.utime(f"{self.folder}/alice/new", ns=(found.st_atime_ns, found.st_mtime_ns))
        self.assertEqual(575, self.octets())

    def test_who_comes_during_a_count_waits_for_it(self) -> None:
        waiting: Deferred[object] = Deferred()

        def later(call: object) -> Deferred[object]:
            self.hops += 1
            return waiting.addCallback(lambda _: call())  # type: ignore[operator]

        domain = DomainUsages(Usages(later, lambda: self.now), lambda: self.now)
        both = [deferred(domain.octets(self.folder, 10**9)) for _ in range(2)]
        waiting.callback(None)
        self.assertEqual([570, 570, 1], [*map(self.successResultOf, both), self.hops])
