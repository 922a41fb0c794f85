"""Signing and checking with RSA (RFC 6376 §3.3, sizes of RFC 8301) and Ed25519 (RFC 8463), by the library cryptography.

The data are hashed with SHA-256 in either case.  rsa-sha1 is not here: it must not be used any more (RFC 8301 §3.1).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from enum import Enum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from twisted_mail.policy.dkim.tags import without_white_space

RSA_SIZE = 2048
"""Bits of the keys that are made here."""
RSA_SIZES = (1024, 4096)
"""Bits of keys that are taken: below, anybody could make the signature; above, checking costs too much (RFC 8301)."""
MAX_EXPONENT = 2**33
"""Of an RSA key: larger ones only make it slow."""


class Algorithm(Enum):
    """What stands in a= of a signature; the part before the hyphen in k= of its key."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"

    @property
    def key_type(self) -> str:
        return self.value.partition("-")[0]


class WrongKey(ValueError):
    """A key that is none, or is not taken; the text says why."""


PrivateKey = RSAPrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | Ed25519PublicKey


def new_key(algorithm: Algorithm) -> PrivateKey:
    """RSA takes a good part of a second."""
    return Ed25519PrivateKey.generate() if algorithm is Algorithm.ED25519 else generate_private_key(65537, RSA_SIZE)


def algorithm_of(key: PrivateKey) -> Algorithm:
    return Algorithm.RSA if isinstance(key, RSAPrivateKey) else Algorithm.ED25519


def public_octets(key: PrivateKey) -> bytes:
    """What is published of it (RFC 6376 §3.6.1, RFC 8463 §4)."""
    if isinstance(key, RSAPrivateKey):
        return key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return key.public_key().public_bytes_raw()


def sign(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, RSAPrivateKey):
        return key.sign(data, PKCS1v15(), hashes.SHA256())
    return key.sign(hashlib.sha256(data).digest())


def load_public_key(key_type: str, octets: bytes) -> PublicKey:
    """Raises WrongKey."""
    try:
        if key_type == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = serialization.load_der_public_key(octets)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise WrongKey(f"its key is not a key for {key_type}") from None
    if not isinstance(key, RSAPublicKey):
        raise WrongKey("its key is not a key for rsa")
    least, most = RSA_SIZES
    if not least <= key.key_size <= most:
        raise WrongKey(f"its key has {key.key_size} bits; RSA keys need {least} to {most}")
    if key.public_numbers().e > MAX_EXPONENT:
        raise WrongKey("its key has an exponent that nobody uses")
    return key


def is_signed(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether *signature* was made over *data* by the owner of *key*."""
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(signature, data, PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, hashlib.sha256(data).digest())
    except InvalidSignature:
        return False
    return True


def decode_base64(text: str) -> bytes:
    """Raises WrongKey."""
    try:
        return base64.b64decode(without_white_space(text), validate=True)
    except (binascii.Error, ValueError):
        raise WrongKey("it is not in base64") from None
