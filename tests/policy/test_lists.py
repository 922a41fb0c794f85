"""Lists of addresses: what is asked, which answers count, and lists that fail."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.policy.records import FAILS, Records
from twisted_mail.networks import Networks
from twisted_mail.policy.lists import PATIENCE, REST, AddressLists, DNSList, Standing

BLOCK = DNSList("bl.example")
ALLOW = DNSList("wl.example")
SOME = DNSList("bl.example", Networks((ip_network("127.0.0.2"),)))


class ListsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def asking(self, table: Mapping[str, Any], *blocking: DNSList) -> AddressLists:
        self.records = Records(table)
        return AddressLists(self.records, blocking or (BLOCK,), (ALLOW,), self.clock)

    def standing(self, lists: AddressLists, address: str = "192.0.2.1") -> Standing:
        return self.successResultOf(Deferred.fromCoroutine(lists.standing(address)))

    def test_questions_are_reversed_addresses(self) -> None:
        self.assertEqual("1.2.0.192.bl.example", BLOCK.question("192.0.2.1"))
        self.assertEqual("1.2.0.192.bl.example", BLOCK.question("::ffff:192.0.2.1"))
        self.assertEqual("1." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.example", BLOCK.question("2001:db8::1"))

    def test_answers_that_mean_something_block(self) -> None:
        for answer, codes, is_blocked in (
            ("127.0.0.2", BLOCK, True),
            ("127.0.0.10", BLOCK, True),
            ("127.0.0.2", SOME, True),
            ("127.0.0.10", SOME, False),
            ("127.0.0.1", BLOCK, False),
            ("127.255.255.254", BLOCK, False),
            ("127.255.255.254", DNSList("bl.example", Networks((ip_network("127.0.0.0/8"),))), False),
            ("198.51.100.7", BLOCK, False),
        ):
            with self.subTest(answer=answer, codes=codes):
                standing = self.standing(self.asking({"1.2.0.192.bl.example": {"A": [answer]}}, codes))
                self.assertEqual(is_blocked, standing.is_blocked)
        self.flushLoggedErrors()

    def test_allow_lists_outweigh_block_lists(self) -> None:
        blocked = {"1.2.0.192.bl.example": {"A": ["127.0.0.2"]}}
        standing = self.standing(self.asking({**blocked, "1.2.0.192.wl.example": {"A": ["127.0.5.1"]}}))
        self.assertFalse(standing.is_blocked)
        self.assertEqual("blocked by bl.example (127.0.0.2); allowed by wl.example (127.0.5.1)", str(standing))
        standing = self.standing(self.asking({**blocked, "1.2.0.192.wl.example": {"A": ["127.0.0.255"]}}))
        self.assertTrue(standing.is_blocked)

    def test_list_that_fails_blocks_nobody_and_is_left_out_for_a_while(self) -> None:
        lists = self.asking({"1.2.0.192.bl.example": FAILS, "9.2.0.192.bl.example": {"A": ["127.0.0.2"]}})
        for _ in range(PATIENCE):
            self.assertFalse(self.standing(lists).is_blocked)
        self.records.asked.clear()
        self.assertFalse(self.standing(lists, "192.0.2.9").is_blocked)
        self.assertEqual(["A 9.2.0.192.wl.example"], self.records.asked)
        self.clock.advance(REST)
        self.assertTrue(self.standing(lists, "192.0.2.9").is_blocked)

    def test_one_failure_among_answers_leaves_nothing_out(self) -> None:
        lists = self.asking({"1.2.0.192.bl.example": FAILS, "9.2.0.192.bl.example": {"A": ["127.0.0.2"]}})
        for _ in range(PATIENCE):
            self.standing(lists)
            self.assertTrue(self.standing(lists, "192.0.2.9").is_blocked)
