"""What is known of the inputs of tests/fuzz/sasl.py; their short run is in test_targets.py."""

from __future__ import annotations

from tests.fuzz.sasl import obvious, read
from tests.test_proxyheader import BAD, GOOD


def test_obvious_reader_and_ours_agree_on_what_is_known() -> None:
    for octets in (*GOOD, *BAD):
        if len(octets) < 4000:
            assert obvious(octets + b"more") == read(octets + b"more", 10_000), octets
