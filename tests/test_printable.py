"""What is shown of texts that others chose."""

from __future__ import annotations

import pytest

from twisted_mail.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Grüße", "plain, Grüße"),
        ("", ""),
        ("one\r\ntwo", "one??two"),
        ("\x1b[2Jclear", "?[2Jclear"),
        ("next\u2028line\u202eback", "next?line?back"),
        ("tab\there", "tab?here"),
    ],
)
def test_what_cannot_be_seen_is_a_question_mark(text: str, shown: str) -> None:
    assert printable(text) == shown
