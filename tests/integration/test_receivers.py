"""Exim and OpenSMTPD as the other server: what we send arrives, and what they say is understood.

The handshake of OpenSMTPD 6.8 as Debian 12 has it fails with every client ("EVP lib"): so it stands for servers whose
STARTTLS does not work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.integration.certificate import Authority
from tests.integration.test_relay import VERIFIED, Sender, host
from tests.integration.unpacked import Unpacked, exim, opensmtpd
from tests.targets import message


@pytest.fixture(params=[exim, opensmtpd], ids=["exim", "opensmtpd"])
def receiver(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Unpacked]:
    start: Callable[[Authority], Unpacked] = request.param
    with start(authority) as server:
        yield server


def test_message_arrives_octet_by_octet_and_each_recipient_has_its_answer(receiver: Unpacked) -> None:
    text = message(b"Subject: hello\nFrom: a@us.example\n\n.\n..dots\n" + b"x" * 900 + b"\n")
    results = Sender().send(host(receiver.port), "b@there.example", "x@there.example", "c@there.example", text=text)
    refused = {recipient: reply[:1] for recipient, reply in results.items()}
    assert refused == {"b@there.example": "", "x@there.example": "5", "c@there.example": ""}
    for got in receiver.mail(1):
        assert "\nSubject: hello\n" in got
        assert got.endswith("\n\n.\n..dots\n" + "x" * 900 + "\n")
        assert ("TLS" in got.partition("Subject:")[0]) is ("Exim" in got)


def test_8bit_text_arrives(receiver: Unpacked) -> None:
    text = message("Subject: hello\n\nGrüße\n".encode())
    assert Sender().send(host(receiver.port), text=text) == {"b@there.example": ""}
    assert "\n\nGrüße\n" in receiver.mail(1)[0]


def test_certificate_is_verified_where_it_must_be(authority: Authority) -> None:
    with exim(authority) as receiver:
        destination = replace(VERIFIED, port=receiver.port)
        assert Sender().send(destination) == {"b@there.example": "451 4.7.5"}
        assert Sender(authority.file).send(destination) == {"b@there.example": ""}
        other_name = replace(destination, name="mx.there.example")
        assert Sender(authority.file).send(other_name) == {"b@there.example": "451 4.7.5"}


def test_server_whose_tls_does_not_work_gets_nothing_where_it_must(authority: Authority) -> None:
    with opensmtpd(authority) as receiver:
        destination = replace(VERIFIED, port=receiver.port)
        assert Sender(authority.file).send(destination) == {"b@there.example": "451 4.7.5"}
        assert not list((receiver.folder / "mail").glob("new/*"))


def test_connection_is_good_for_several_messages(receiver: Unpacked) -> None:
    sender = Sender()
    for number in range(3):
        text = message(f"Subject: number {number}\n\nx\n".encode())
        assert sender.send(host(receiver.port), text=text) == {"b@there.example": ""}
    assert len(receiver.mail(3)) == 3
