"""Hashing, and verifying hashes from other systems against the same password."""

from __future__ import annotations

import base64
import hashlib

import passlib.hash
from twisted.trial.unittest import TestCase

from twisted_mail.auth.passwords import (
    MAX_PASSWORD,
    PasswordFormatError,
    hash_password,
    is_marked_hash,
    needs_rehash,
    plain_password,
    take_foreign_hash,
    verify,
)
from twisted_mail.auth.verifiers import verifier_of

SECRET = "p\u00e4ss word"
OCTETS = SECRET.encode()


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


FOREIGN = {
    "{SHA512-CRYPT}" + passlib.hash.sha512_crypt.using(rounds=1000).hash(SECRET),
    "{CRYPT}" + passlib.hash.sha512_crypt.using(rounds=1000).hash(SECRET),
    passlib.hash.sha512_crypt.using(rounds=1000).hash(SECRET),
    "{SHA256-CRYPT}" + passlib.hash.sha256_crypt.using(rounds=1000).hash(SECRET),
    passlib.hash.sha256_crypt.using(rounds=1000).hash(SECRET),
    "{MD5-CRYPT}" + passlib.hash.md5_crypt.hash(SECRET),
    "{SSHA512}" + b64(hashlib.sha512(OCTETS + b"salt").digest() + b"salt"),
    "{SSHA256}" + b64(hashlib.sha256(OCTETS + b"salt").digest() + b"salt"),
    "{ssha256.hex}" + (hashlib.sha256(OCTETS + b"salt").digest() + b"salt").hex(),
    "{SSHA}" + b64(hashlib.sha1(OCTETS + b"salt").digest() + b"salt"),
    "{SMD5}" + b64(hashlib.md5(OCTETS + b"salt").digest() + b"salt"),
    "{SHA512}" + b64(hashlib.sha512(OCTETS).digest()),
    "{SHA256.b64}" + b64(hashlib.sha256(OCTETS).digest()),
    "{SHA}" + b64(hashlib.sha1(OCTETS).digest()),
    "{PLAIN-MD5}" + hashlib.md5(OCTETS).hexdigest(),
    "{SCRAM-SHA-256}" + str(verifier_of(SECRET, b"grain", 1000)),
    "{PBKDF2}$1$grain$1000$" + hashlib.pbkdf2_hmac("sha1", OCTETS, b"grain", 1000).hex(),
}
ARGON2 = "$argon2id$v=19$m=64,t=1,p=1$"
DAMAGED = {
    "{SHA512-CRYPT}$6$short",
    "{SSHA256}????",
    "{SSHA256}" + b64(b"too short"),
    "{PBKDF2}$1$grain$1000",
    "{SCRAM-SHA-256}1000,Z3JhaW4=",
    "{PBKDF2}$1$grain$many$00",
    "{ARGON2ID}$argon2id$nonsense",
    "$argon2id$v=19",
    "{MD5-CRYPT}",
}


class PasswordTests(TestCase):
    def test_new_hash_is_argon2id_as_the_design_says(self) -> None:
        stored = hash_password(SECRET)
        self.assertTrue(stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), stored)
        self.assertTrue(verify(stored, SECRET))
        self.assertTrue(verify(stored, OCTETS))
        self.assertFalse(verify(stored, SECRET + " "))
        self.assertFalse(needs_rehash(stored))
        self.assertNotEqual(stored, hash_password(SECRET))

    def test_hashes_of_other_systems_are_verified_and_due_for_renewal(self) -> None:
        for text in FOREIGN:
            stored = take_foreign_hash(text)
            self.assertTrue(verify(stored, OCTETS), text)
            self.assertFalse(verify(stored, OCTETS + b"x"), text)
            self.assertFalse(verify(stored, b""), text)
            self.assertTrue(needs_rehash(stored), text)

    def test_argon2_from_elsewhere_is_stored_without_its_mark(self) -> None:
        foreign = passlib.hash.argon2.using(type="ID", rounds=1, memory_cost=64, parallelism=1).hash(SECRET)
        for text in (foreign, "{ARGON2ID}" + foreign):
            self.assertEqual(foreign, take_foreign_hash(text))
        self.assertTrue(verify(foreign, SECRET))
        self.assertFalse(verify(foreign, "other"))
        self.assertTrue(needs_rehash(foreign))

    def test_damaged_hash_is_refused_at_import_and_verifies_nothing(self) -> None:
        for text in DAMAGED:
            self.assertRaises(PasswordFormatError, take_foreign_hash, text)
            self.assertFalse(verify(text, SECRET), text)
            self.assertTrue(needs_rehash(text), text)

    def test_bcrypt_is_verified_where_its_library_is_installed_and_else_refused_by_name(self) -> None:
        text = "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"  # of "U*U"
        if passlib.hash.bcrypt.has_backend():
            self.assertTrue(verify(take_foreign_hash(text), "U*U"))
        else:
            with self.assertRaisesRegex(PasswordFormatError, "pip install bcrypt"):
                take_foreign_hash(text)
        self.assertFalse(verify(text, "U*V"))

    def test_unknown_scheme_is_refused_by_name_and_without_the_hash(self) -> None:
        with self.assertRaisesRegex(PasswordFormatError, "ROT13.*SHA512-CRYPT") as caught:
            take_foreign_hash("{ROT13}frperg")
        self.assertNotIn("frperg", str(caught.exception))
        self.assertFalse(verify("{ROT13}frperg", "frperg"))

    def test_plain_is_a_mark_of_a_password_not_a_hash(self) -> None:
        self.assertEqual("secret", plain_password("{PLAIN}secret"))
        self.assertEqual("{x}", plain_password("{cleartext}{x}"))
        self.assertIsNone(plain_password("secret"))
        self.assertIsNone(plain_password("{SSHA}abc"))
        self.assertFalse(verify("{PLAIN}secret", "secret"))
        self.assertFalse(verify("secret", "secret"))

    def test_hashes_are_told_from_passwords_by_their_marks(self) -> None:
        for text in FOREIGN:
            self.assertTrue(is_marked_hash(text), text)
        for text in ("secret", "$6", "{", "{}x", "a{SSHA}b"):
            self.assertFalse(is_marked_hash(text), text)

    def test_overlong_password_is_wrong_at_once(self) -> None:
        stored = hash_password("x" * MAX_PASSWORD)
        self.assertTrue(verify(stored, "x" * MAX_PASSWORD))
        self.assertFalse(verify(hash_password("x" * (MAX_PASSWORD + 1)), "x" * (MAX_PASSWORD + 1)))

    def test_nul_in_a_password_is_wrong_for_crypt(self) -> None:
        self.assertFalse(verify(passlib.hash.sha512_crypt.using(rounds=1000).hash("a"), "a\0b"))
