"""The growing delay after failed logins, with times given."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.auth import throttle as module
from twisted_mail.auth.throttle import ACCOUNT_RULE, HOST_RULE, Rule, Throttle

HOST = "192.0.2.1"
ALICE = "alice@example.org"


class RuleTests(TestCase):
    def test_spacing_doubles_after_the_free_failures_up_to_the_longest(self) -> None:
        rule = Rule(free=3, first=1.0, longest=10.0, forgiven_after=60.0)
        self.assertEqual([0, 0, 0, 1, 2, 4, 8, 10, 10], [rule.spacing(n) for n in range(9)])
        self.assertEqual(10.0, rule.spacing(1e9))


class ThrottleTests(TestCase):
    def setUp(self) -> None:
        self.throttle = Throttle()

    def fail_often(self, times: int, host: str = HOST, account: str = ALICE, now: float = 0.0) -> None:
        for _ in range(times):
            self.throttle.failed(host, account, now)

    def test_few_failures_cost_nothing(self) -> None:
        self.fail_often(ACCOUNT_RULE.free - 1)
        self.assertEqual(0.0, self.throttle.admit(HOST, ALICE, 0.0))

    def test_account_waits_longer_with_each_failure(self) -> None:
        waits = []
        for number in range(12):
            self.throttle.failed(f"192.0.2.{number}", ALICE, 0.0)
            waits.append(self.throttle.admit("198.51.100.1", ALICE, 0.0))
        self.assertEqual([0, 0, 0, 0, 0.5, 1, 2, 4, 8, 15, 15, 15], waits)

    def test_host_waits_whatever_the_account(self) -> None:
        for number in range(HOST_RULE.free):
            self.throttle.failed(HOST, f"user{number}@example.org", 0.0)
        self.assertEqual(HOST_RULE.first, self.throttle.admit(HOST, ALICE, 0.0))
        self.assertEqual(0.0, self.throttle.admit("192.0.2.2", ALICE, 0.0))

    def test_wait_ends_and_only_one_attempt_has_the_turn(self) -> None:
        self.fail_often(ACCOUNT_RULE.free + 1)
        self.assertEqual(1.0, self.throttle.admit(HOST, ALICE, 0.0))
        self.assertEqual(0.0, self.throttle.admit(HOST, ALICE, 1.0))
        self.assertGreater(self.throttle.admit(HOST, ALICE, 1.0), 0.5)

    def test_failures_are_forgiven_with_time(self) -> None:
        self.fail_often(ACCOUNT_RULE.free + 3)
        later = 10 * ACCOUNT_RULE.forgiven_after
        self.fail_often(1, host="192.0.2.2", now=later)
        self.assertEqual(0.0, self.throttle.admit("192.0.2.3", ALICE, later))

    def test_success_forgets_the_accounts_failures_but_not_the_hosts(self) -> None:
        self.fail_often(HOST_RULE.free)
        self.throttle.succeeded(HOST, ALICE)
        self.assertEqual(0.0, self.throttle.admit("192.0.2.2", ALICE, 0.0))
        self.assertGreater(self.throttle.admit(HOST, ALICE, 0.0), 0.0)

    def test_host_of_the_owner_does_not_wait_for_an_attack_on_the_account(self) -> None:
        self.throttle.succeeded("198.51.100.1", ALICE)
        self.fail_often(20)
        self.assertEqual(0.0, self.throttle.admit("198.51.100.1", ALICE, 0.0))
        self.assertGreater(self.throttle.admit("198.51.100.2", ALICE, 0.0), 0.0)

    def test_one_ipv6_network_is_one_host(self) -> None:
        for number in range(HOST_RULE.free):
            self.throttle.failed(f"2001:db8:1:2::{number:x}", f"user{number}@example.org", 0.0)
        self.assertGreater(self.throttle.admit("2001:db8:1:2:ffff::1", ALICE, 0.0), 0.0)
        self.assertEqual(0.0, self.throttle.admit("2001:db8:1:3::1", ALICE, 0.0))

    def test_mapped_ipv4_is_the_ipv4_host(self) -> None:
        for number in range(HOST_RULE.free):
            self.throttle.failed(f"::ffff:{HOST}", f"user{number}@example.org", 0.0)
        self.assertGreater(self.throttle.admit(HOST, ALICE, 0.0), 0.0)

    def test_loopback_and_unix_sockets_are_not_counted_as_hosts(self) -> None:
        for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1", ""):
            for number in range(2 * HOST_RULE.free):
                self.throttle.failed(host, f"user{number}@example.org", 0.0)
            self.assertEqual(0.0, self.throttle.admit(host, ALICE, 0.0), host)

    def test_memory_is_bounded(self) -> None:
        self.patch(module, "MAX_REMEMBERED", 100)
        throttle = Throttle()
        for number in range(300):
            throttle.failed(f"10.0.{number // 250}.{number % 250}", f"user{number}@example.org", 0.0)
            throttle.succeeded(f"10.0.{number // 250}.{number % 250}", f"friend{number}@example.org")
        self.assertEqual([100, 100, 100], throttle.sizes())
