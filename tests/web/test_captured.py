"""Captured messages, taken apart."""

from __future__ import annotations

from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.web.captured import parse

NAME = "1795244514.01a1.localhost,S=10,W=12"


def message() -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "Grüße"
    made["From"] = "Ann <ann@a.example>"
    made["X-Original-To"] = "bob@b.example"
    made.set_content("Hello, Bob\n")
    made.add_alternative("<b>Hello</b>", subtype="html")
    made.add_attachment(b"\x00\x01", maintype="application", subtype="zip", filename="ä.zip")
    return made


def test_fields_texts_and_attachments_are_told() -> None:
    captured = parse(NAME, message().as_bytes())
    assert captured.id == "1795244514.01a1.localhost"
    assert captured.summary()["subject"] == "Grüße"
    assert captured.summary()["recipient"] == "bob@b.example"
    assert captured.text == "Hello, Bob\n"
    assert "<b>Hello</b>" in captured.html
    [attachment] = captured.attachments
    assert (attachment.name, attachment.kind, attachment.octets) == ("ä.zip", "application/zip", b"\x00\x01")


def test_text_in_an_unknown_charset_is_shown_as_far_as_it_can_be() -> None:
    captured = parse(NAME, b"Content-Type: text/plain; charset=klingon\n\nnuqneH \xff\n")
    assert captured.text == "nuqneH \ufffd\n"


@given(st.one_of(st.binary(), st.lists(st.binary(max_size=30), max_size=8).map(b"\nContent-Type: multipart/x;".join)))
def test_whatever_was_sent_is_shown(source: bytes) -> None:
    captured = parse(NAME, source)
    assert captured.source == source
    captured.whole()
