"""The short run of tests/fuzz/words.py."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.words import TARGETS, run


@pytest.mark.parametrize(("target", "inputs"), [("pieces", 300), ("changed", 300), ("long", 20)])
def test_seeded_inputs_do_no_harm(target: str, inputs: int) -> None:
    assert target in TARGETS
    for seed in range(inputs):
        run(target, Random(seed))
