"""mbox: where messages begin, what servers note in them, and the way there and back."""

from __future__ import annotations

import io
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from twisted_mail.moving import mboxes
from twisted_mail.moving.letter import Letter, MovingError

MBOX = b"""\
From them@else.example Sat Nov 21 06:09:41 2026
X-UIDL: a/b:c
Status: RO
X-Status: AF
Subject: one
 folded
Content-Length: 5

From here on it is the body
>From a quoted line
>>From two

From - Fri Mar  6 11:22:33 2015
Subject: two

From x
From us Mon, not a date

From MAILER-DAEMON@x Mon Jan  1 00:00:00 +0100 2001
Subject: three
From us@else.example Mon Jan  1 00:00:01 UTC 2001

only a body"""


class ReadingTests(TestCase):
    def letters(self, text: bytes) -> list[Letter]:
        path = self.mktemp()
        Path(path).write_bytes(text)
        return list(mboxes.MboxSource(path).letters(lambda uid: True))

    def test_messages_notes_and_dates(self) -> None:
        one, two, three, four = self.letters(MBOX)
        self.assertEqual(
            b"Subject: one\n folded\n\nFrom here on it is the body\nFrom a quoted line\n>From two\n", one.octets
        )
        self.assertEqual(("a/b:c", "FRS", False, 1795241381), (one.uid, one.flags, one.is_new, one.seconds))
        self.assertEqual((b"Subject: two\n\nFrom x\nFrom us Mon, not a date\n", None), (two.octets, two.uid))
        self.assertEqual((True, 1425640953), (two.is_new, two.seconds))
        self.assertEqual((b"Subject: three\n", 978307200), (three.octets, three.seconds))
        self.assertEqual(b"\nonly a body", four.octets)

    def test_lines_that_end_in_crlf(self) -> None:
        [here, there] = (self.letters(text) for text in (MBOX, MBOX.replace(b"\n", b"\r\n")))
        self.assertEqual(here, there)

    def test_unique_ids_of_dovecot(self) -> None:
        text = b"From x Sat Nov 21 06:09:41 2026\nX-IMAPbase: 1275660208 25022\nX-UID: 25006\n\nx\n\n"
        more = b"From x Sat Nov 21 06:09:41 2026\nX-UID: 25007\n\nx\n"
        self.assertEqual(["000061ae4c0907b0", "000061af4c0907b0"], [letter.uid for letter in self.letters(text + more)])

    def test_what_a_server_put_first_for_itself_is_no_message(self) -> None:
        subject = b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
        text = b"From x Sat Nov 21 06:09:41 2026\n" + subject + b"X-IMAP: 1 2\n\nx"
        self.assertEqual([], self.letters(text))

    def test_unwanted_messages_are_left_out(self) -> None:
        path = self.mktemp()
        Path(path).write_bytes(MBOX)
        found = mboxes.MboxSource(path).letters(lambda uid: uid != "a/b:c")
        self.assertEqual(3, len(list(found)))

    def test_what_is_no_mbox_is_refused(self) -> None:
        self.assertRaisesRegex(MovingError, "is no mbox", self.letters, b"Subject: x\n\n")
        self.assertEqual([], self.letters(b""))

    def test_pieces_may_end_anywhere(self) -> None:
        text = (MBOX + b"\n\n") * 3
        whole = list(mboxes.split(io.BytesIO(text)))
        self.assertEqual(12, len(whole))
        self.patch(mboxes, "_LONGEST_FROM_LINE", 60)
        for size in range(1, 200, 7):
            self.patch(mboxes, "_PIECE", size)
            self.assertEqual(whole, list(mboxes.split(io.BytesIO(text))), size)


LINE = st.text(st.characters(max_codepoint=0x7F, exclude_characters="\r\n"), max_size=20) | st.sampled_from(
    ["From x Sat Nov 21 06:09:41 2026", ">From x", ">>From", "", "From x"]
)


@given(st.lists(st.tuples(st.lists(LINE), st.sampled_from([None, "a/b", "x,:"]), st.sampled_from(["", "RS", "DFS"]))))
def test_what_is_written_is_read_again(messages: list[tuple[list[str], str | None, str]]) -> None:
    letters = [
        Letter(("Subject: x\n\n" + "".join(f"{line}\n" for line in lines)).encode(), uid, 1700000000, flags, not flags)
        for lines, uid, flags in messages
    ]
    source = object.__new__(mboxes.MboxSource)
    source._base = ""
    file = io.BytesIO(b"".join(mboxes.entry(letter) for letter in letters))
    assert [source._letter(text) for text in mboxes.split(file)] == letters


def test_from_line_names_the_sender() -> None:
    letter = Letter(b"Return-Path: <them@else.example>\nSubject: x\n\nx\n", seconds=0)
    assert re.match(rb"From them@else\.example Thu Jan  1 00:00:00 1970\n", mboxes.entry(letter))
