"""When a message is tried again, as a table."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.queue.retry import JITTER, RetryPolicies, RetryPolicy

MINUTE, HOUR, DAY = 60, 3600, 86_400


class RetryTests(TestCase):
    def test_intervals_grow_from_minutes_to_hours(self) -> None:
        policy = RetryPolicy()
        for attempts, interval in (
            (1, 5 * MINUTE),
            (2, 15 * MINUTE),
            (3, 30 * MINUTE),
            (4, HOUR),
            (5, 4 * HOUR),
            (6, 4 * HOUR),
            (500, 4 * HOUR),
        ):
            self.assertEqual(1000 + interval, policy.next_due(attempts, 1000, 1e9, 0.0))
            self.assertEqual(1000 + interval * (1 + JITTER / 2), policy.next_due(attempts, 1000, 1e9, 0.5))

    def test_last_attempt_is_made_when_the_time_is_over_and_then_no_more(self) -> None:
        policy = RetryPolicy()
        self.assertEqual(1100, policy.next_due(1, 1000, 1100, 0.9))
        self.assertIsNone(policy.next_due(2, 1100, 1100, 0.0))

    def test_five_days_take_some_thirty_attempts(self) -> None:
        policy, now, attempts = RetryPolicy(), 0.0, 0
        due: float | None = 0.0
        while due is not None:
            now, attempts = due, attempts + 1
            due = policy.next_due(attempts, now, policy.give_up_after, 0.5)
        self.assertEqual(5 * DAY, now)
        self.assertIn(attempts, range(25, 40))

    def test_domain_has_its_own_policy(self) -> None:
        hasty = RetryPolicy(intervals=(1,))
        policies = RetryPolicies(by_domain={"example.net": hasty})
        self.assertIs(hasty, policies.of("example.net"))
        self.assertEqual(RetryPolicy(), policies.of("example.org"))
