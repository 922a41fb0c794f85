"""The short run of tests/fuzz/signatures.py."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.signatures import GENUINE, TARGETS, run, same_where_it_counts


@pytest.mark.parametrize("target", TARGETS)
def test_seeded_inputs_do_no_harm(target: str) -> None:
    for seed in range(300):
        run(target, Random(seed))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_inputs_that_hypothesis_finds_do_no_harm(target: str, random: Random) -> None:
    run(target, random)


def test_what_counts_is_noticed() -> None:
    for text in GENUINE:
        assert same_where_it_counts(text.replace(b" ", b"  "))
        assert not same_where_it_counts(text.replace(b"Subject: ", b"Subject: Re: "))
        assert not same_where_it_counts(text + b"more")
