"""How what users say of mail becomes points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.message.evidence import Evidence
from twisted_mail.policy.esteem import MOST, Esteem, Voice


@pytest.mark.parametrize(
    ("voices", "seen", "points"),
    [
        ([], 0, 0),
        ([], 100, 0),
        ([Voice(1, 0)], 0, 0.5),
        ([Voice(20, 0)], 0, 1.0),
        ([Voice(20, 0)] * 2, 0, 1.9),
        ([Voice(20, 0)] * 9, 0, MOST),
        ([Voice(0, 20)] * 9, 0, -MOST),
        ([Voice(0, 1)], 0, -0.5),
        ([Voice(5, 5)], 0, 0),
        ([Voice(5, 0), Voice(0, 5)], 0, 0),
        ([Voice(2, 0)] * 3, 6, 1.7),  # all that came was junk
        ([Voice(2, 0)] * 3, 1000, 0.1),  # a large provider
        ([Voice(0, 2)] * 3, 1000, -2.0),
    ],
)
def test_each_account_moves_a_point_at_most_and_silence_weighs_a_little(
    voices: list[Voice], seen: float, points: float
) -> None:
    assert Esteem("192.0.2.0/24", voices, seen).points == points


AMOUNTS = st.floats(0, 1e6)
VOICES = st.builds(Voice, AMOUNTS, AMOUNTS)


@given(st.lists(VOICES, max_size=20), AMOUNTS, VOICES)
def test_one_more_account_moves_no_more_than_a_point(voices: list[Voice], seen: float, one: Voice) -> None:
    others, all_of_them = Esteem("x", voices, seen).points, Esteem("x", [*voices, one], seen).points
    assert -MOST <= all_of_them <= MOST
    assert abs(all_of_them - others) <= 1.1  # rounded


@pytest.mark.parametrize(
    ("esteem", "is_good"),
    [
        (Esteem("x"), False),
        (Esteem("x", days=1, seen=50), False),
        (Esteem("x", days=2, seen=2), True),
        (Esteem("x", [Voice(0, 1)]), True),
        (Esteem("x", [Voice(1, 0)], days=9, seen=9), False),
        (Esteem("x", [Voice(1, 0)], days=9, seen=1000), True),
        (Esteem("x", [Voice(2, 0)], days=9, seen=200), False),
    ],
)
def test_who_is_known_and_of_whom_nobody_thinks_ill_is_good(esteem: Esteem, is_good: bool) -> None:
    assert esteem.is_good is is_good


def test_reason_says_how_many_people_think_so() -> None:
    assert Esteem("x.example").evidence() is None
    assert Esteem("x.example", [Voice(1, 0)]).evidence() == Evidence(0.5, "a user has called mail from x.example junk")
    many = [Voice(1, 0), *[Voice(0, 3)] * 3]
    assert Esteem("x.example", many).evidence() == Evidence(-1.8, "3 users have called mail from x.example good")
