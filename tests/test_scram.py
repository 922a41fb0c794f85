"""SCRAM: the exchange of RFC 7677 §3 to the letter, scramp as client, and what must be refused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import scramp
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from tests.rfc7677 import CLIENT_FINAL, CLIENT_FIRST, PENCIL, SALT, SERVER_FINAL, SERVER_FIRST, secret
from twisted_mail.auth.verifiers import ITERATIONS, fits, verifier_of
from twisted_mail.sasl import Challenge, ProvenCredentials, SASLError
from twisted_mail.scram import Scram, Secret, SecretWanted, Verifier

BINDING = b"what is particular to this connection"


def begun(first: bytes = CLIENT_FIRST, answer: Secret | None = None, plus: bool = False) -> Scram:
    """An exchange that waits for the client's proof."""
    exchange = Scram(plus=plus, binding_offered=plus)
    exchange.respond(first)
    exchange.inform(answer or secret(PENCIL))
    return exchange


class ExchangeTests(TestCase):
    def test_example_of_the_rfc_goes_through_to_the_letter(self) -> None:
        exchange = Scram(plus=False, binding_offered=False)
        self.assertEqual(SecretWanted("user", ""), exchange.respond(CLIENT_FIRST))
        self.assertEqual(Challenge(SERVER_FIRST), exchange.inform(secret(PENCIL)))
        self.assertEqual(Challenge(SERVER_FINAL), exchange.respond(CLIENT_FINAL))
        self.assertEqual(ProvenCredentials("user", proven=True), exchange.respond(b""))

    def test_without_initial_response_an_empty_challenge_asks_for_it(self) -> None:
        exchange = Scram(plus=False, binding_offered=False)
        self.assertEqual(Challenge(b""), exchange.respond(None))
        self.assertEqual(SecretWanted("user", ""), exchange.respond(CLIENT_FIRST))

    def test_wrong_password_ends_unproven_and_tells_nothing(self) -> None:
        exchange = begun(answer=secret(verifier_of("pencils", SALT, 4096)))
        self.assertEqual(ProvenCredentials("user", proven=False), exchange.respond(CLIENT_FINAL))

    def test_each_secret_of_the_account_is_tried(self) -> None:
        exchange = begun(answer=secret(verifier_of("pencils", SALT, 4096), PENCIL))
        self.assertEqual(Challenge(SERVER_FINAL), exchange.respond(CLIENT_FINAL))
        self.assertEqual(ProvenCredentials("user", True, "1"), exchange.respond(b""))

    def test_something_after_the_servers_proof_is_refused(self) -> None:
        exchange = begun()
        exchange.respond(CLIENT_FINAL)
        self.assertRaises(SASLError, exchange.respond, b"more")

    def test_names_are_unescaped_and_prepared(self) -> None:
        for written, user in {b"a=2Cb=3Dc": "a,b=c", "u\u0308".encode(): "ü", b"alice@example.org": None}.items():
            wanted = Scram(plus=False, binding_offered=False).respond(b"n,,n=" + written + b",r=x")
            self.assertEqual(SecretWanted(user or written.decode(), ""), wanted)

    def test_own_authorization_identity_is_taken(self) -> None:
        wanted = Scram(plus=False, binding_offered=False).respond(b"n,a=user,n=user,r=x")
        self.assertEqual(SecretWanted("user", ""), wanted)


MALFORMED_FIRST = (
    b"",
    b"n",
    b"n,,",
    b"n,,n=user",
    b"n,,n=,r=x",
    b"n,,n=user,r=",
    b"n,,n=user,r=x y",
    b"n,,n=user,r=\xc3\xbc",
    b"n,,r=x,n=user",
    b"n,,m=must,n=user,r=x",
    b"x,,n=user,r=x",
    b"n,a=other,n=user,r=x",
    b"n,,n=us=er,r=x",
    b"n,,n=us=2cer,r=x",
    b"n,,n=us\ner,r=x",
    b"n,,n=us\0er,r=x",
    b"n,,n=us\x1ber,r=x",
    b"n,,n=us\xffer,r=x",
    b"n,,n=user,r=x\n",
    b"\0user\0pencil",
)
MALFORMED_FINAL = (
    b"",
    CLIENT_FINAL[:-1] + b"\xff",
    CLIENT_FINAL + b",x=y",
    CLIENT_FINAL.replace(b"p=", b"q="),
    CLIENT_FINAL.replace(b"c=biws", b"c=eSws"),  # "y,,"
    CLIENT_FINAL.replace(b"c=biws", b"c=biw"),
    CLIENT_FINAL.replace(b"hNlF$k0", b"hNlF$k1"),
    CLIENT_FINAL.replace(b"r=rOpr", b"r=Opr"),
    CLIENT_FINAL[: CLIENT_FINAL.index(b",p=")],
)


class RefusalTests(TestCase):
    def test_malformed_beginnings_are_refused(self) -> None:
        for message in MALFORMED_FIRST:
            exchange = Scram(plus=False, binding_offered=False)
            self.assertRaises(SASLError, exchange.respond, message)

    def test_malformed_ends_are_refused(self) -> None:
        for message in MALFORMED_FINAL:
            self.assertRaises(SASLError, begun().respond, message)

    def test_proof_of_another_length_is_no_proof(self) -> None:
        message = CLIENT_FINAL[: CLIENT_FINAL.index(b"p=")]
        for proof in (b"AA==", b64encode(bytes(64))):
            self.assertEqual(ProvenCredentials("user", proven=False), begun().respond(message + b"p=" + proof))

    def test_client_that_could_bind_and_did_not_see_the_offer_is_warned(self) -> None:
        downgraded = Scram(plus=False, binding_offered=True)
        self.assertRaises(SASLError, downgraded.respond, b"y" + CLIENT_FIRST[1:])
        honest = Scram(plus=False, binding_offered=False)
        self.assertEqual(SecretWanted("user", ""), honest.respond(b"y" + CLIENT_FIRST[1:]))
        unable = Scram(plus=False, binding_offered=True)
        self.assertEqual(SecretWanted("user", ""), unable.respond(CLIENT_FIRST))

    def test_mechanism_and_channel_binding_must_agree(self) -> None:
        for plus, flag in ((True, b"n"), (True, b"y"), (False, b"p=tls-exporter"), (True, b"p=tls-unique")):
            exchange = Scram(plus=plus, binding_offered=True)
            self.assertRaises(SASLError, exchange.respond, flag + CLIENT_FIRST[1:])


class BindingTests(TestCase):
    FIRST = b"p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO"

    def final(self, binding: bytes) -> bytes:
        return CLIENT_FINAL.replace(b"biws", b64encode(b"p=tls-exporter,," + binding))

    def test_type_of_binding_is_asked_for(self) -> None:
        wanted = Scram(plus=True, binding_offered=True).respond(self.FIRST)
        self.assertEqual(SecretWanted("user", "tls-exporter"), wanted)

    def test_other_connection_is_refused(self) -> None:
        exchange = begun(self.FIRST, secret(PENCIL, binding=BINDING), plus=True)
        self.assertRaises(SASLError, exchange.respond, self.final(b"another connection"))

    def test_connection_without_that_binding_is_refused(self) -> None:
        exchange = begun(self.FIRST, secret(PENCIL), plus=True)
        self.assertRaises(SASLError, exchange.respond, self.final(b""))


class ScrampTests(TestCase):
    """Another implementation as the client."""

    def exchange(self, scram: Scram, client: scramp.ScramClient, answer: Secret) -> Callable[[], object]:
        scram.respond(client.get_client_first().encode())
        first = scram.inform(answer)
        assert isinstance(first, Challenge)
        client.set_server_first(first.data.decode())
        final = scram.respond(client.get_client_final().encode())
        if isinstance(final, Challenge):
            client.set_server_final(final.data.decode())  # raises where our proof is not good
            return lambda: scram.respond(b"")
        return lambda: final

    def test_passwords_prove_themselves(self) -> None:
        for password in ("pencil", "geheim ß", "pass\u00a0word", "x" * 200):
            answer = secret(verifier_of(password, SALT, 4096))
            client = scramp.ScramClient(["SCRAM-SHA-256"], "user", password)
            finish = self.exchange(Scram(plus=False, binding_offered=False), client, answer)
            self.assertEqual(ProvenCredentials("user", proven=True), finish())

    def test_wrong_password_does_not(self) -> None:
        client = scramp.ScramClient(["SCRAM-SHA-256"], "user", "guess")
        finish = self.exchange(Scram(plus=False, binding_offered=False), client, secret(PENCIL))
        self.assertEqual(ProvenCredentials("user", proven=False), finish())

    def test_channel_binding_of_the_same_connection_is_good(self) -> None:
        binding = ("tls-server-end-point", BINDING)  # scramp does not have the other type
        client = scramp.ScramClient(["SCRAM-SHA-256-PLUS"], "user", "pencil", channel_binding=binding)
        finish = self.exchange(Scram(plus=True, binding_offered=True), client, secret(PENCIL, binding=BINDING))
        self.assertEqual(ProvenCredentials("user", proven=True), finish())


class VerifierTests(TestCase):
    def test_text_gives_the_verifier_back(self) -> None:
        verifier = verifier_of("pencil", SALT)
        self.assertEqual(verifier, Verifier.parse(str(verifier)))
        self.assertTrue(str(verifier).startswith(f"{ITERATIONS},W22ZaJ0SNY7soEsUEjb6gQ==,"))

    def test_it_fits_the_password_that_it_was_made_of(self) -> None:
        self.assertTrue(fits(PENCIL, "pencil"))
        for other in ("pencils", "", "Pencil"):
            self.assertFalse(fits(PENCIL, other))

    def test_damaged_text_is_refused(self) -> None:
        text = str(PENCIL)
        for damaged in ("", "x", text[:-4], text + ",AAAA", "0" + text[4:], text.replace(",", ";"), "x" + text):
            self.assertRaises(ValueError, Verifier.parse, damaged)

    def test_password_that_cannot_be_prepared_is_taken_as_it_is(self) -> None:
        self.assertNotEqual(verifier_of("a\ue000", SALT), verifier_of("a", SALT))

    def test_keys_are_not_shown_in_a_log(self) -> None:
        self.assertNotIn(repr(PENCIL.keys.stored)[2:10], repr(secret(PENCIL)))


@given(st.lists(st.binary(max_size=60) | st.sampled_from([CLIENT_FIRST, CLIENT_FINAL, b""]), max_size=4))
def test_whatever_is_sent_is_refused_or_the_exchange_itself(messages: list[bytes]) -> None:
    exchange = Scram(plus=False, binding_offered=False)
    said = []
    try:
        for message in messages:
            step = exchange.respond(message)
            said.append(message)
            if isinstance(step, SecretWanted):
                step = exchange.inform(secret(PENCIL))
            if isinstance(step, ProvenCredentials):
                assert step.proven == (said == [CLIENT_FIRST, CLIENT_FINAL, b""])
                return
    except SASLError:
        pass
