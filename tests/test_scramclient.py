"""SCRAM-SHA-256 as a client: the RFC's exchange, a foreign server, and names and passwords of all kinds."""

from __future__ import annotations

import scramp
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from tests import rfc7677
from twisted_mail.sasl import PasswordCredentials, SASLError
from twisted_mail.scramclient import ITERATIONS, ScramClient

NONCE = "rOprNGfwEbeRWgbNEkqO"
PENCIL = PasswordCredentials("user", "pencil")
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F, exclude_categories=["Cc"]), min_size=1)


class ExchangeTests(TestCase):
    def test_exchange_of_the_rfc(self) -> None:
        client = ScramClient(PENCIL, NONCE)
        self.assertEqual(rfc7677.CLIENT_FIRST, client.initial)
        self.assertEqual(rfc7677.CLIENT_FINAL, client.respond(rfc7677.SERVER_FIRST))
        self.assertFalse(client.proven)
        self.assertEqual(b"", client.respond(rfc7677.SERVER_FINAL))
        self.assertTrue(client.proven)

    def test_what_no_honest_server_says_ends_it(self) -> None:
        first = rfc7677.SERVER_FIRST
        for message in (
            b"",
            b"\xff",
            first.replace(b"r=rOp", b"r=xOp"),
            b"r=" + NONCE.encode() + first[first.index(b",s=") :],  # nothing of its own
            first.replace(b"s=W22", b"s=W2"),
            first.replace(b"i=4096", b"i=0"),
            first.replace(b"i=4096", b"i=%d" % (ITERATIONS[0] - 1)),
            first.replace(b"i=4096", b"i=%d" % (ITERATIONS[-1] + 1)),
            b"m=extension," + first,
        ):
            with self.assertRaises(SASLError, msg=repr(message)):
                ScramClient(PENCIL, NONCE).respond(message)

    def test_server_that_does_not_know_the_password_is_found_out(self) -> None:
        for final in (b"", b"v=", b"v=AAAA", b"e=other-error", rfc7677.SERVER_FINAL.replace(b"6rri", b"6rrj")):
            client = ScramClient(PENCIL, NONCE)
            client.respond(rfc7677.SERVER_FIRST)
            with self.assertRaises(SASLError, msg=repr(final)):
                client.respond(final)
            self.assertFalse(client.proven)


@given(user=PRINTABLE, password=PRINTABLE)
def test_another_server_agrees_whatever_name_and_password_are(user: str, password: str) -> None:
    mechanism = scramp.ScramMechanism("SCRAM-SHA-256")
    try:
        known = mechanism.make_auth_info(password, iteration_count=4096, salt=b"0123456789abcdef")
    except scramp.ScramException:  # nothing is left of it by SASLprep
        return
    asked: list[str] = []

    def look_up(name: str) -> object:
        asked.append(name)
        return known

    server = mechanism.make_server(look_up)
    client = ScramClient(PasswordCredentials(user, password), NONCE)
    try:
        server.set_client_first(client.initial.decode())
    except scramp.ScramException:
        return
    server.set_client_final(client.respond(server.get_server_first().encode()).decode())
    assert client.respond(server.get_server_final().encode()) == b""
    assert client.proven
