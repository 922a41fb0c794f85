"""Times of files: when they can be trusted."""

from __future__ import annotations

from twisted_mail.mailbox.settling import COARSE, FINE, are_settled

NOW = 1_800_000_000_500_000_000


def test_clock_with_parts_of_a_second_is_trusted_sooner() -> None:
    for age, settled in ((0, False), (FINE, False), (FINE + 1, True), (COARSE, True)):
        assert are_settled([NOW - age], NOW) is settled, age


def test_full_second_may_be_all_that_the_clock_knows() -> None:
    full = NOW - 500_000_000
    assert not are_settled([full], full + COARSE)
    assert are_settled([full], full + COARSE + 1)


def test_all_times_count_and_a_missing_folder_is_none() -> None:
    assert not are_settled([NOW - COARSE, NOW - 1], NOW)
    assert are_settled([0, NOW - COARSE], NOW)
    assert are_settled([], NOW)
