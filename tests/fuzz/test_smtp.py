"""What is known of the inputs of tests/fuzz/smtp.py; their short run is in test_targets.py."""

from __future__ import annotations

import pytest

from tests.fuzz.observer import Observer
from tests.fuzz.smtp import Run
from twisted_mail.smtp.options import SessionOptions

BEGIN = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\n"


@pytest.mark.parametrize(
    ("octets", "replies", "messages"),
    [
        (BEGIN + b"DATA\r\n..a\r\n.\r\nNOOP\r\n", [220, 250, 250, 250, 354, 250, 250], [(1, b".a\n")]),
        (BEGIN + b"BDAT 4\r\na\r\nbBDAT 0 LAST\r\n", [220, 250, 250, 250, 250, 250], [(1, b"a\nb\n")]),
        (BEGIN + b"DATA\r\na\n.\r\n\r\n.\r\n", [220, 250, 250, 250, 354, 554], []),
        (BEGIN + b"DATA\r\n.\r\nGET / HTTP/1.1\r\nNOOP\r\n", [220, 250, 250, 250, 354, 250, 554], [(1, b"")]),
    ],
)
def test_observer_and_session_agree_on_what_is_known(
    octets: bytes, replies: list[int], messages: list[tuple[int, bytes]]
) -> None:
    options = SessionOptions("mx.example", chunking=True)
    run = Run(options, [octets])
    assert run.codes == replies
    assert run.messages == messages
    assert Observer(octets, replies, options).messages == messages


def test_observer_notices_a_message_that_was_smuggled() -> None:
    """As if the session had taken LF . CRLF for the end of the text."""
    octets = BEGIN + b"DATA\r\na\n.\r\nRSET\r\n"
    with pytest.raises(AssertionError):
        Observer(octets, [220, 250, 250, 250, 354, 250, 250], SessionOptions("mx.example"))
