"""Tokens as SASL: the examples of RFC 7628 and of Google's page, and what is malformed."""

from __future__ import annotations

import json

from twisted.trial.unittest import TestCase

from twisted_mail.bearer import TokenOffered, TokenVerdict, oauthbearer, xoauth2
from twisted_mail.sasl import Challenge, ProvenCredentials, SASLError

# RFC 7628 §4.1
EXAMPLE = (
    b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
    b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
)
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
CONFIGURATION = "https://login.example/.well-known/openid-configuration"
GOOGLE = b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01"


class BearerTests(TestCase):
    def test_token_and_user_are_asked_about(self) -> None:
        for exchange, response, user, token in (
            (oauthbearer(), EXAMPLE, "user@example.com", TOKEN),
            (oauthbearer(), b"n,,\x01auth=bearer abc\x01\x01", "", "abc"),
            (oauthbearer(), b"y,a=a=2Cb=3Dc,\x01auth=Bearer abc\x01\x01", "a,b=c", "abc"),
            (xoauth2(), GOOGLE, "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"),
        ):
            self.assertEqual(TokenOffered(user, token), exchange.respond(response))

    def test_good_token_logs_in_as_the_user_or_as_its_owner(self) -> None:
        exchange = oauthbearer()
        exchange.respond(EXAMPLE)
        self.assertEqual(ProvenCredentials("user@example.com", True), exchange.inform(TokenVerdict("user@example.com")))
        exchange = oauthbearer()
        exchange.respond(b"n,,\x01auth=Bearer abc\x01\x01")
        self.assertEqual(
            ProvenCredentials("alice@example.org", True), exchange.inform(TokenVerdict("alice@example.org"))
        )

    def test_bad_token_is_told_in_json_and_fails_after_the_clients_response(self) -> None:
        for exchange, response, acknowledgement in (
            (oauthbearer(), EXAMPLE, b"\x01"),
            (xoauth2(), GOOGLE, b""),
        ):
            offered = exchange.respond(response)
            assert isinstance(offered, TokenOffered)
            told = exchange.inform(TokenVerdict("", CONFIGURATION))
            assert isinstance(told, Challenge)
            self.assertIn(json.loads(told.data)["status"], ("invalid_token", "401"))
            self.assertEqual(ProvenCredentials(offered.user, proven=False), exchange.respond(acknowledgement))

    def test_client_is_told_where_to_get_a_token(self) -> None:
        exchange = oauthbearer()
        exchange.respond(EXAMPLE)
        told = exchange.inform(TokenVerdict("", CONFIGURATION))
        assert isinstance(told, Challenge)
        self.assertEqual(CONFIGURATION, json.loads(told.data)["openid-configuration"])

    def test_malformed_responses_are_refused(self) -> None:
        for response in (
            b"",
            b"\x01",
            b"n,,",
            b"n,,\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Basic abc\x01\x01",
            b"n,,\x01auth=Bearer a b\x01\x01",
            b"n,,\x01auth=Bearer abc\x01",
            b"n,,\x01auth=Bearer abc\x01\x01x",
            b"n,,\x01host=x\x01\x01",
            b"p=tls-exporter,,\x01auth=Bearer abc\x01\x01",
            b"n,a=us\ner,\x01auth=Bearer abc\x01\x01",
            b"n,a=\xff,\x01auth=Bearer abc\x01\x01",
            GOOGLE,
        ):
            self.assertRaises(SASLError, oauthbearer().respond, response)
        for response in (b"", EXAMPLE, b"user=a\x01\x01", b"user=a\0b\x01auth=Bearer abc\x01\x01"):
            self.assertRaises(SASLError, xoauth2().respond, response)

    def test_token_is_not_shown_in_a_log(self) -> None:
        self.assertNotIn(TOKEN, repr(oauthbearer().respond(EXAMPLE)))
