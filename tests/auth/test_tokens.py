"""Tokens: real signatures, an issuer whose answers the test gives."""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from twisted.trial.unittest import TestCase

from twisted_mail.auth import tokens as module
from twisted_mail.auth.tokens import (
    IntrospectedTokens,
    Issuer,
    IssuerUnavailable,
    RememberedTokens,
    SignedTokens,
    fetch_json,
)

ISSUER = Issuer("https://login.example", "mail", "email")
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_set(**keys: object) -> dict[str, Any]:
    """A JWK set."""
    return {
        "keys": [
            {
                **(RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm).to_jwk(
                    key.public_key(),
                    as_dict=True,  # type: ignore[attr-defined]  # both kinds have it
                ),
                "kid": name,
            }
            for name, key in keys.items()
        ]
    }


def token(key: object = RSA, name: str | None = "first", algorithm: str = "RS256", **changes: object) -> str:
    claims = {"iss": "https://login.example", "aud": "mail", "exp": time.time() + 600, "email": "alice@example.org"}
    claims |= changes
    present = {key: value for key, value in claims.items() if value is not None}
    return jwt.encode(present, key, algorithm, {"kid": name} if name else {})  # type: ignore[arg-type]  # any key


class Web:
    """Answers what the test has put at an address."""

    def __init__(self, pages: Mapping[str, Any]) -> None:
        self.pages = dict(pages)
        self.asked: list[tuple[str, bytes | None, Mapping[str, str]]] = []

    def __call__(self, address: str, form: bytes | None, header: Mapping[str, str]) -> Any:
        self.asked.append((address, form, header))
        if address not in self.pages:
            raise OSError("404")
        return self.pages[address]


class SignedTests(TestCase):
    def setUp(self) -> None:
        self.web = Web(
            {
                "https://login.example/.well-known/openid-configuration": {"jwks_uri": "https://login.example/keys"},
                "https://login.example/keys": key_set(first=RSA),
            }
        )
        self.now = 1000.0
        self.patch(module.time, "monotonic", lambda: self.now)
        self.tokens = SignedTokens(ISSUER, "", self.web)

    def test_good_token_is_its_owners(self) -> None:
        self.assertEqual("alice@example.org", self.tokens.address(token()))
        self.assertEqual("alice@example.org", self.tokens.address(token(aud=["other", "mail"])))
        self.assertEqual("alice@example.org", self.tokens.address(token(name=None)))

    def test_keys_are_fetched_once(self) -> None:
        for _ in range(3):
            self.tokens.address(token())
        self.assertEqual(2, len(self.web.asked))

    def test_token_that_is_not_meant_or_not_valid_is_refused(self) -> None:
        for wrong in (
            token(iss="https://login.example.net"),
            token(iss=None),
            token(aud="web"),
            token(aud=None),
            token(exp=time.time() - 60),
            token(exp=None),
            token(nbf=time.time() + 600),
            token(email=None),
            token(email=5),
            token(email_verified=False),
            token(STRANGER),
            token()[:-4] + "AAAA",
            "not a token",
            "",
            "a.b.c",
        ):
            self.assertIsNone(self.tokens.address(wrong))

    def test_shared_keys_and_no_signature_are_refused(self) -> None:
        _, payload, _ = token().split(".")
        header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"first"}').decode().rstrip("=")
        for encoding in (Encoding.DER, Encoding.PEM):
            public = RSA.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            digest = hmac.digest(public, f"{header}.{payload}".encode(), "sha256")
            signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            self.assertIsNone(self.tokens.address(f"{header}.{payload}.{signature}"))
        self.assertIsNone(self.tokens.address(token(None, algorithm="none")))

    def test_new_key_is_fetched_but_not_for_each_unknown_name(self) -> None:
        self.assertEqual("alice@example.org", self.tokens.address(token()))
        self.web.pages["https://login.example/keys"] = key_set(first=RSA, second=EC)
        for _ in range(10):
            self.assertIsNone(self.tokens.address(token(EC, "second", "ES256")))
        self.now += module.KEYS_AGAIN_AFTER + 1
        self.assertEqual("alice@example.org", self.tokens.address(token(EC, "second", "ES256")))
        self.assertEqual(4, len(self.web.asked))

    def test_withdrawn_key_is_no_longer_good_after_an_hour(self) -> None:
        self.tokens.address(token())
        self.web.pages["https://login.example/keys"] = key_set(second=EC)
        self.now += module.KEYS_KEPT_FOR + 1
        self.assertIsNone(self.tokens.address(token()))

    def test_issuer_that_does_not_answer_says_nothing_about_the_token(self) -> None:
        for pages in ({}, {"https://login.example/.well-known/openid-configuration": {}}):
            tokens = SignedTokens(ISSUER, "", Web(pages))
            for _ in range(2):
                self.assertRaises(IssuerUnavailable, tokens.address, token())
        self.assertRaises(IssuerUnavailable, SignedTokens(ISSUER, "/gone/keys.json", Web({})).address, token())

    def test_keys_may_be_at_an_address_or_in_a_file(self) -> None:
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            json.dump(key_set(first=RSA), file)
        web = Web({"https://login.example/other": key_set(first=RSA)})
        for keys in (path, "https://login.example/other"):
            self.assertEqual("alice@example.org", SignedTokens(ISSUER, keys, web).address(token()))

    def test_another_claim_may_hold_the_address(self) -> None:
        issuer = Issuer("https://login.example", "mail", "preferred_username")
        tokens = SignedTokens(issuer, "", self.web)
        self.assertEqual("bob@example.org", tokens.address(token(preferred_username="bob@example.org")))


class IntrospectedTests(TestCase):
    ADDRESS = "https://login.example/introspect"

    def address(self, answer: object) -> str | None:
        self.web = Web({self.ADDRESS: answer})
        return IntrospectedTokens(ISSUER, self.ADDRESS, "mail:server", "a secret", self.web).address("opaque+/=")

    def test_active_token_is_its_owners(self) -> None:
        for more in ({}, {"iss": "https://login.example"}, {"exp": time.time() + 60}, {"aud": ["x", "mail"]}):
            answer = {"active": True, "email": "alice@example.org", "aud": "mail"} | more
            self.assertEqual("alice@example.org", self.address(answer))

    def test_question_holds_the_token_and_our_login(self) -> None:
        self.address({"active": False})
        ((_, form, header),) = self.web.asked
        assert form is not None
        self.assertEqual(["opaque+/="], urllib.parse.parse_qs(form.decode())["token"])
        login = base64.b64decode(header["Authorization"].removeprefix("Basic ")).decode()
        self.assertEqual("mail%3Aserver:a+secret", login)

    def test_token_that_is_not_active_or_not_meant_is_refused(self) -> None:
        good = {"active": True, "email": "alice@example.org", "aud": "mail"}
        for wrong in (
            {"active": False},
            {"active": "yes"},
            {"aud": "web"},
            {"aud": None},
            {"iss": "https://login.example.net"},
            {"exp": time.time() - 60},
            {"exp": "soon"},
            {"email": None},
            {"email_verified": False},
        ):
            self.assertIsNone(self.address(good | wrong), str(wrong))

    def test_issuer_that_does_not_answer_says_nothing_about_the_token(self) -> None:
        self.assertRaises(IssuerUnavailable, self.address, ["no object"])
        tokens = IntrospectedTokens(ISSUER, self.ADDRESS, "", "", Web({}))
        self.assertRaises(IssuerUnavailable, tokens.address, "opaque")


class Counting:
    """Good tokens begin with `good`."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def address(self, token: str) -> str | None:
        self.asked.append(token)
        return "alice@example.org" if token.startswith("good") else None


class RememberedTests(TestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.patch(module.time, "monotonic", lambda: self.now)
        self.counting = Counting()
        self.tokens = RememberedTokens(self.counting, seconds=60.0, most=2)

    def test_good_token_is_looked_at_once_a_minute(self) -> None:
        for _ in range(3):
            self.assertEqual("alice@example.org", self.tokens.address("good"))
        self.now += 61.0
        self.tokens.address("good")
        self.assertEqual(["good", "good"], self.counting.asked)

    def test_bad_token_is_looked_at_each_time(self) -> None:
        self.assertEqual([None, None], [self.tokens.address("bad") for _ in range(2)])
        self.assertEqual(["bad", "bad"], self.counting.asked)

    def test_memory_is_bounded_and_holds_no_token(self) -> None:
        for token in ("good 1", "good 2", "good 3", "good 1"):
            self.tokens.address(token)
        self.assertEqual(4, len(self.counting.asked))
        self.assertEqual({32}, {len(digest) for digest in self.tokens._until})


class FetchTests(TestCase):
    def test_only_the_web_is_asked(self) -> None:
        for address in ("file:///etc/passwd", "ftp://login.example/keys", "/etc/passwd", ""):
            self.assertRaises(ValueError, fetch_json, address, None, {})
