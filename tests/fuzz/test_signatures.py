"""What is known of the inputs of tests/fuzz/signatures.py; their short run is in test_targets.py."""

from __future__ import annotations

from tests.fuzz.signatures import GENUINE, same_where_it_counts


def test_what_counts_is_noticed() -> None:
    for text in GENUINE:
        assert same_where_it_counts(text.replace(b" ", b"  "))
        assert not same_where_it_counts(text.replace(b"Subject: ", b"Subject: Re: "))
        assert not same_where_it_counts(text + b"more")
