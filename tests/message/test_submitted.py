"""What a program hands over on standard input, and the message that it becomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from twisted_mail.message.header import fields, header_size
from twisted_mail.message.submitted import completed, message_text, recipients

# what comes in -> the message
TEXTS = {
    b"": b"\n",
    b"Subject: x\n\nbody\n": b"Subject: x\n\nbody\n",
    b"Subject: x\r\n\r\nbody\r\n": b"Subject: x\n\nbody\n",
    b"Subject: x\n\nno line end": b"Subject: x\n\nno line end\n",
    b"Subject: x\nno blank line\n": b"Subject: x\n\nno blank line\n",
    b"Subject: x\n": b"Subject: x\n\n",
    b"Subject: x\n folded\n\nbody\n": b"Subject: x\n folded\n\nbody\n",
    b"output of a program\n": b"\noutput of a program\n",
    b"\nbody only\n": b"\nbody only\n",
    b"Subject: x\n\n10%\r20%\r\n": b"Subject: x\n\n10%\n20%\n",
}
# header -> who stands in it
RECIPIENTS = {
    b"To: bob@example.net\n": ["bob@example.net"],
    b"To: Bob <bob@example.net>,\n eve@example.net\nCc: root\nBcc: x@y.example\n": [
        "bob@example.net",
        "eve@example.net",
        "root",
        "x@y.example",
    ],
    b"TO: a@b.example\nto: c@d.example\n": ["a@b.example", "c@d.example"],
    b"To: old@example.net\nResent-To: new@example.net\nResent-Bcc: b@example.net\n": [
        "new@example.net",
        "b@example.net",
    ],
    b"To: undisclosed-recipients:;\n": [],
    b"Subject: To: x@y.example\n": [],
    "To: jürgen@bücher.example\n".encode(): ["jürgen@bücher.example"],
}


class TextTests(TestCase):
    def test_text_becomes_a_message(self) -> None:
        for octets, text in TEXTS.items():
            self.assertEqual(text, message_text(octets, dot_ends=False), octets)

    def test_line_with_one_dot_ends_the_message_where_it_shall(self) -> None:
        octets = b"Subject: x\r\n\r\nbody\r\n.\r\nmore\r\n"
        self.assertEqual(b"Subject: x\n\nbody\n", message_text(octets, dot_ends=True))
        self.assertEqual(b"Subject: x\n\nbody\n.\nmore\n", message_text(octets, dot_ends=False))
        self.assertEqual(b"\n", message_text(b".\n", dot_ends=True))
        self.assertEqual(b"\n..\n", message_text(b"..\n", dot_ends=True))

    def test_recipients_are_those_of_the_header(self) -> None:
        for header, found in RECIPIENTS.items():
            self.assertEqual(found, list(recipients(header + b"\nTo: body@example.net\n")), header)

    def test_only_what_is_missing_is_added(self) -> None:
        defaults = {"From": "Bob <b@example.org>", "Date": "now"}
        self.assertEqual(b"From: Bob <b@example.org>\nDate: now\n\nx\n", completed(b"\nx\n", defaults))
        self.assertEqual(
            b"Date: now\nFROM: me\nTo: y\n\nx\n", completed(b"FROM: me\nBcc: z,\n w\nTo: y\n\nx\n", defaults)
        )


@given(st.lists(st.sampled_from([b"Subject: x\n", b" folded\n", b"\n", b"text\n", b".\n", b"\r", b"\xff", b"a:b"])))
def test_whatever_comes_in_header_and_body_are_told_apart(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    text = completed(message_text(octets, dot_ends=False), {"Date": "now"})
    size = header_size(text)
    assert text[:size].endswith(b"\n\n")
    assert "date" in [name for name, _ in fields(text[:size])]
    for line in filter(None, octets.replace(b"\r", b"\n").split(b"\n")):
        assert line in text
