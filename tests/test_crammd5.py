"""CRAM-MD5: the example of RFC 2195 §2, and what must be refused."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.crammd5 import ChallengeWanted, CramMD5, PasswordWanted, StoredPassword
from twisted_mail.sasl import Challenge, ProvenCredentials, SASLError

CHALLENGE = "<1896.697170952@postoffice.reston.mci.net>"
RESPONSE = b"tim b913a602c7eda7a495b4e6e7334d3890"


class CramMD5Tests(TestCase):
    def challenged(self) -> CramMD5:
        exchange = CramMD5()
        self.assertEqual(ChallengeWanted(), exchange.respond(None))
        self.assertEqual(Challenge(CHALLENGE.encode()), exchange.inform(CHALLENGE))
        return exchange

    def test_example_of_the_rfc_is_good(self) -> None:
        for response in (RESPONSE, RESPONSE.upper().replace(b"TIM", b"tim")):
            exchange = self.challenged()
            self.assertEqual(PasswordWanted("tim"), exchange.respond(response))
            self.assertEqual(ProvenCredentials("tim", True), exchange.inform(StoredPassword("tanstaaftanstaaf")))

    def test_wrong_password_and_none_at_all_prove_nothing(self) -> None:
        for password in ("guess", None):
            exchange = self.challenged()
            exchange.respond(RESPONSE)
            self.assertEqual(ProvenCredentials("tim", False), exchange.inform(StoredPassword(password)))

    def test_digest_of_an_empty_password_proves_nothing(self) -> None:
        import hmac

        digest = hmac.new(b"", CHALLENGE.encode(), "md5").hexdigest()
        exchange = self.challenged()
        exchange.respond(f"tim {digest}".encode())
        self.assertEqual(ProvenCredentials("tim", False), exchange.inform(StoredPassword(None)))

    def test_malformed_responses_are_refused(self) -> None:
        self.assertRaises(SASLError, CramMD5().respond, RESPONSE)
        for response in (b"", b"tim", b" b913a602c7eda7a495b4e6e7334d3890", b"t\nim b913", b"\xff b913"):
            self.assertRaises(SASLError, self.challenged().respond, response)

    def test_digest_that_is_none_proves_nothing(self) -> None:
        exchange = self.challenged()
        exchange.respond("tim grüße".encode())
        self.assertEqual(ProvenCredentials("tim", False), exchange.inform(StoredPassword("tanstaaftanstaaf")))

    def test_password_is_not_shown_in_a_log(self) -> None:
        self.assertNotIn("secret", repr(StoredPassword("secret")))
