"""Each step from old keys to new ones: only when DNS and time allow it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.policy.dkim.algorithms import Algorithm
from twisted_mail.policy.dkim.rotation import KEPT, KeyPair, Outcome, Presence, Stage, Step, first_pair, next_step

NOW = 1_795_239_875  # 2026-11-21
DAY = 86_400


def step(
    pairs: Sequence[KeyPair], now: int, *absent: str, older_than: int = 0, like: Presence = Presence.ABSENT
) -> Step:
    selectors = [pair.selector(algorithm) for pair in pairs for algorithm in Algorithm]
    presence = {name: like if name[:-1] in absent or name in absent else Presence.THERE for name in selectors}
    return next_step(pairs, presence, now, older_than)


def stages(taken: Step) -> list[str]:
    return [f"{pair.name} {pair.stage.value}" for pair in taken.pairs]


def test_whole_way_from_one_pair_to_the_next() -> None:
    begun = step([first_pair(NOW)], NOW + DAY)
    assert (begun.outcome, stages(begun)) == (Outcome.BEGUN, ["20261121 active", "20261122 new"])
    waiting = step(begun.pairs, NOW + DAY, "20261122")
    assert (waiting.outcome, waiting.pairs) == (Outcome.WAITING, begun.pairs)
    half = step(begun.pairs, NOW + DAY, "20261122r")
    assert half.outcome is Outcome.WAITING
    switched = step(waiting.pairs, NOW + 2 * DAY)
    assert (switched.outcome, stages(switched)) == (Outcome.SWITCHED, ["20261121 old", "20261122 active"])
    keeping = step(switched.pairs, NOW + 2 * DAY + KEPT - 1, "20261121")
    assert (keeping.outcome, keeping.pairs) == (Outcome.KEEPING, switched.pairs)
    lingering = step(switched.pairs, NOW + 2 * DAY + KEPT)
    assert (lingering.outcome, lingering.pairs) == (Outcome.LINGERING, switched.pairs)
    gone = step(switched.pairs, NOW + 2 * DAY + KEPT, "20261121")
    assert (gone.outcome, stages(gone), gone.about.name) == (Outcome.FORGOTTEN, ["20261122 active"], "20261121")


@pytest.mark.parametrize("like", [Presence.OTHER, Presence.UNKNOWN, Presence.ABSENT])
def test_new_keys_are_not_used_before_dns_has_just_them(like: Presence) -> None:
    begun = step([first_pair(NOW)], NOW)
    assert step(begun.pairs, NOW, begun.about.name, like=like).outcome is Outcome.WAITING


def test_old_keys_are_not_forgotten_while_dns_does_not_answer() -> None:
    pairs = [KeyPair("20260101", Stage.OLD, NOW - KEPT), KeyPair("20261121", Stage.ACTIVE, NOW - KEPT)]
    assert step(pairs, NOW, "20260101", like=Presence.UNKNOWN).outcome is Outcome.LINGERING


def test_timer_begins_only_when_keys_are_old_enough() -> None:
    pairs = [first_pair(NOW)]
    assert step(pairs, NOW + 179 * DAY, older_than=180 * DAY).outcome is Outcome.NOTHING
    assert step(pairs, NOW + 180 * DAY, older_than=180 * DAY).outcome is Outcome.BEGUN


def test_second_pair_of_a_day_has_another_name() -> None:
    begun = step([first_pair(NOW)], NOW)
    assert begun.about.name == "20261121-2"
    assert [begun.about.selector(algorithm) for algorithm in Algorithm] == ["20261121-2r", "20261121-2e"]


@given(st.lists(st.tuples(st.sampled_from(list(Presence)), st.integers(0, 2 * KEPT)), max_size=30))
def test_whatever_dns_says_there_is_always_one_pair_in_use(days: list[tuple[Presence, int]]) -> None:
    now, pairs = NOW, (first_pair(NOW),)
    for presence, passed in days:
        now += passed
        pairs = next_step(pairs, {p.selector(a): presence for p in pairs for a in Algorithm}, now).pairs
        assert [pair.stage for pair in pairs].count(Stage.ACTIVE) == 1
        assert len({pair.name for pair in pairs}) == len(pairs) <= 2
