"""The short run of tests/fuzz/sasl.py."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.sasl import TARGETS, obvious, read
from tests.test_proxyheader import BAD, GOOD


@pytest.mark.parametrize("target", TARGETS)
def test_seeded_inputs_do_no_harm(target: str) -> None:
    for seed in range(1000):
        TARGETS[target](Random(seed))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_inputs_that_hypothesis_finds_do_no_harm(target: str, random: Random) -> None:
    TARGETS[target](random)


def test_obvious_reader_and_ours_agree_on_what_is_known() -> None:
    for octets in (*GOOD, *BAD):
        if len(octets) < 4000:
            assert obvious(octets + b"more") == read(octets + b"more", 10_000), octets
