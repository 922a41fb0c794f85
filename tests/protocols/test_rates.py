"""Token buckets, with times given."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.protocols import rates as module
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.rates import Buckets, HostBuckets, Rate

A = "192.0.2.1"


class BucketTests(TestCase):
    def test_so_many_come_at_once_and_then_evenly(self) -> None:
        buckets = Buckets(Rate(3, 60.0))
        self.assertEqual([0, 0, 0, 20, 20], [buckets.take("a", 0.0) for _ in range(5)])
        self.assertAlmostEqual(5.0, buckets.take("a", 15.0))
        self.assertEqual(0.0, buckets.take("a", 20.5))
        self.assertGreater(buckets.take("a", 21.0), 0.0)

    def test_bucket_is_never_more_than_full(self) -> None:
        buckets = Buckets(Rate(2, 60.0))
        buckets.take("a", 0.0)
        self.assertEqual([0, 0, 30], [buckets.take("a", 1e6) for _ in range(3)])

    def test_keys_do_not_share(self) -> None:
        buckets = Buckets(Rate(1, 60.0))
        self.assertEqual([0, 0, 60], [buckets.take(key, 0.0) for key in ("a", "b", "a")])

    def test_number_of_buckets_is_bounded_and_the_oldest_goes_first(self) -> None:
        self.patch(module, "MAX_BUCKETS", 100)
        buckets = Buckets(Rate(1, 60.0))
        for number in range(300):
            buckets.take(str(number), 0.0)
        self.assertEqual(100, len(buckets))
        self.assertEqual([0.0, 60.0], [buckets.take(key, 0.0) for key in ("0", "299")])

    def test_hosts_are_networks_and_those_of_this_machine_are_not_counted(self) -> None:
        buckets = HostBuckets(Rate(1, 60.0))
        hosts = (A, f"::ffff:{A}", "2001:db8::1", "2001:db8::2:1", "2001:db8:0:1::1")
        self.assertEqual([0, 60, 0, 60, 0], [buckets.take(host, 0.0) for host in hosts])
        for host in ("127.0.0.1", "::1", "", "not an address"):
            self.assertEqual([0, 0, 0], [buckets.take(host, 0.0) for _ in range(3)])


class ConnectionRateTests(TestCase):
    def test_new_connections_from_one_host_are_limited_in_time(self) -> None:
        limits = ConnectionLimits(100, 100, rate=Rate(2, 60.0))
        self.assertEqual([None, None], [limits.admit(A, 0.0) for _ in range(2)])
        refusal = limits.admit(A, 0.0)
        assert refusal is not None
        self.assertIn("try again in 30 seconds", refusal)
        self.assertEqual(2, limits.open)
        self.assertIsNone(limits.admit("192.0.2.2", 0.0))
        self.assertIsNone(limits.admit(A, 31.0))

    def test_process_takes_no_more_than_it_can_open(self) -> None:
        limits = ConnectionLimits(100, 100, here=2)
        self.assertEqual([None, None], [limits.admit(A) for _ in range(2)])
        self.assertEqual("Too many connections, try again later", limits.admit(A))
        limits.leave(A)
        self.assertIsNone(limits.admit(A))
