"""Which words a message has, and that nothing can keep them from being counted in time."""

from __future__ import annotations

import time
from base64 import b64encode

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.mailbox.junk.texts import MAX_OCTETS, without_tags
from twisted_mail.mailbox.junk.words import MAX_WORDS, lesson_of, words_of

RECEIVED = b"Received: from x ([192.0.2.77])\n by mx with ESMTP id 1;\n Sat, 28 Nov 2026 12:00:00 +0000\n"

CASES: tuple[tuple[bytes, set[str]], ...] = (
    (b"\nHello, it is FREE money\n", {"hello", "free", "money"}),
    (b"Subject: Free =?utf-8?q?Gr=C3=BC=C3=9Fe?= for =?utf-8?b?w5ZsZQ==?=\n\n", {"subject:grüsse", "subject:öle"}),
    (b"From: The Boss <Boss@Bank.Example>\n\n", {"from:boss@bank.example", "from:@bank.example", "from:the"}),
    (RECEIVED + b"\n", {"net:192.0.2"}),
    (b"Received: from x ([IPv6:2001:db8:1:2::3]) by mx\n\n", {"net:2001:db8:1"}),
    (b"\nsee http://u@www.Cheap.Pills.example:80/x?y\n", {"link:www.cheap.pills.example", "link:pills.example"}),
    (
        b"Content-Type: text/html\n\n<p>Hi<b>dden</b>&nbsp;&#65;BC<style>css{}</style><!-- no<b> -->yes\n",
        {"dden", "yes"},
    ),
    (b"Content-Transfer-Encoding: base64\n\n" + b64encode(b"secret words") + b"\n", {"secret", "words"}),
    (b"Content-Transfer-Encoding: quoted-printable\n\nsplit=\nted w=6Frd\n", {"splitted", "word"}),
    (b"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n", {"grüsse"}),
    (b"Content-Type: text/plain; charset=unicode_escape\n\n\\x41BC abc\n", {"abc"}),
    ("\n限時優惠\n".encode(), {"限時", "時優", "優惠"}),
    (b"\n" + b"x" * 45 + b"\n", {"long:x:40"}),
)
MULTIPART = (
    b'Content-Type: multipart/alternative; boundary="=b"\n\nnobody sees this\n--=b\n\nplain text\n'
    b"--=b\nContent-Type: text/html\n\n<a href='https://host.example/'>linked</a>\n"
    b"--=b\nContent-Type: image/png\n\npicture\n--=b--\nepilogue\n"
)


class WordsTests(SynchronousTestCase):
    def test_words_are_found(self) -> None:
        for octets, expected in CASES:
            for text in (octets, octets.replace(b"\n", b"\r\n")):
                found = words_of(text)
                self.assertLessEqual(expected, found, (text, sorted(found)))

    def test_what_nobody_sees_is_not_counted(self) -> None:
        for octets, absent in (
            (CASES[6][0], "css"),
            (CASES[6][0], "no"),
            (MULTIPART, "picture"),
            (MULTIPART, "nobody"),
        ):
            self.assertNotIn(absent, words_of(octets))

    def test_parts_are_read(self) -> None:
        self.assertLessEqual({"plain", "text", "linked", "link:host.example"}, words_of(MULTIPART))

    def test_text_without_tags(self) -> None:
        for html, text in (
            ("a<br>b", "a b"),
            ("a < b", "a "),
            ("<script>if (a<b) x</script>c", "   c"),
            ("&#99999999999; &bogus; &amp;", "&#99999999999; &bogus; &"),
        ):
            self.assertEqual(text.split(), without_tags(html).split(), html)

    def test_message_is_known_again_whatever_stands_in_front(self) -> None:
        octets = RECEIVED + b"From: a@b.example\nSubject: x\n\ntext\n"
        known = lesson_of(octets)
        for front in (b"Return-Path: <>\nX-Junk: yes (5 of 5);\n +5 x\n", b"Status: RO\n"):
            self.assertEqual(
                (known.message, known.words), (lesson_of(front + octets).message, lesson_of(front + octets).words)
            )
        self.assertNotEqual(known.message, lesson_of(octets.replace(b"id 1", b"id 2")).message)

    @example(b"<\x0b")
    @given(st.binary(max_size=2000) | st.text(alphabet="=?<>&;:-\n \t'\"aBq/@[].#utf8", max_size=2000).map(str.encode))
    def test_anything_has_words(self, octets: bytes) -> None:
        for front in (
            b"",
            b"Subject: ",
            b"Content-Type: multipart/x; boundary=a\n\n--a\n",
            b"Content-Type: text/html\n\n",
        ):
            lesson = lesson_of(front + octets)
            self.assertLessEqual(len(lesson.words), MAX_WORDS)
            self.assertEqual(lesson, lesson_of(front + octets))

    def test_hostile_messages_take_bounded_time(self) -> None:
        front = b"Content-Type: text/html\n\n"
        nested = b"".join(b"Content-Type: multipart/x; boundary=%d\n\n--%d\n" % (n, n) for n in range(4000))
        for octets in (
            *(
                front + piece * (MAX_OCTETS // len(piece))
                for piece in (b"<style>", b"<!--", b"&", b"<", b"&#9", b"a-", b"http://")
            ),
            *(
                b"Subject: " + piece * (MAX_OCTETS // len(piece)) + b"\n\n"
                for piece in (b"=?", b"=?a?q?", b"a@", b"=?utf-8?b?")
            ),
            *(b"From: " + piece * (MAX_OCTETS // len(piece)) + b"\n\n" for piece in (b"a", b"a@", b"<")),
            b"Content-Type: multipart/x; boundary=a\n\n" + b"--a\n\nx\n" * 50_000,
            b"Content-Type: multipart/x; boundary=" + b" " * MAX_OCTETS,
            nested,
            b"a" * MAX_OCTETS,
            b"a:\n" * 100_000,
            "限".encode() * 80_000,
        ):
            began = time.process_time()
            lesson_of(octets * 2)
            self.assertLess(time.process_time() - began, 2.0, octets[:80])
