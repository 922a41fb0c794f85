"""What is known of the inputs of tests/fuzz/reports.py; their short run is in test_targets.py."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from time import process_time

import pytest

from tests.fuzz.reports import obvious_author, read, zipped
from twisted_mail.policy.reportmail import MAX_UNPACKED, attached_documents


@pytest.mark.parametrize(
    ("value", "author"),
    [
        (b" mail.example.org; none", "mail.example.org"),
        (b'\n (a (b) \\) c) "Mail.Example.org". 1; none', "mail.example.org"),
        (b" mail.example.org(1); none", "mail.example.org"),
        (b"; none", ""),
    ],
)
def test_obvious_reader_knows_what_is_known(value: bytes, author: str) -> None:
    assert obvious_author(b"Authentication-Results:" + value + b"\n") == author


@pytest.mark.parametrize("pack", [gzip.compress, zipped])
@pytest.mark.parametrize("text", [bytes(MAX_UNPACKED * 5), b"<feedback>" + b"<a/>" * 5_000_000, b"[" * MAX_UNPACKED])
def test_little_that_unpacks_to_a_lot_takes_no_time(pack: Callable[[bytes], bytes], text: bytes) -> None:
    start = process_time()
    for document in attached_documents(b"Content-Type: application/gzip\n\n" + pack(text)):
        read(document)
    assert process_time() - start < 5
