"""The short run of the fuzzers beside this file: each target with known seeds, and with what hypothesis finds."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import domains, reports, sasl, signatures, smtp

BOUNDED = {"domains": domains, "reports": reports, "signatures": signatures}
"""Their inputs have a time to be read in."""
INPUTS = {
    f"{family}-{name}": partial(module.run, name) for family, module in BOUNDED.items() for name in module.TARGETS
}
INPUTS |= {f"smtp-{name}": target for name, target in smtp.TARGETS.items()}
INPUTS |= {f"sasl-{name}": target for name, target in sasl.TARGETS.items()}


@pytest.mark.parametrize("target", INPUTS)
def test_seeded_inputs_do_no_harm(target: str) -> None:
    for seed in range(1000 if target.startswith("sasl-") else 300):
        INPUTS[target](Random(seed))


@pytest.mark.parametrize("target", INPUTS)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_inputs_that_hypothesis_finds_do_no_harm(target: str, random: Random) -> None:
    INPUTS[target](random)
