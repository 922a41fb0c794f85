"""What SCRAM keeps of passwords: made of them, and compared with them.

Each takes some 4 ms and belongs into a thread.  PBKDF2 is the library cryptography's, which needs half the time of the
standard library with Debian's OpenSSL.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from twisted_mail.saslprep import saslprep
from twisted_mail.scram import Keys, Verifier

ITERATIONS = 32_768
"""Of PBKDF2 for new verifiers.  Cyrus SASL, as a client, refuses more than 65,536."""


def verifier_of(password: str, salt: bytes, iterations: int = ITERATIONS) -> Verifier:
    """RFC 5802 §3.  What SASLprep does not allow is taken as it is: some clients do not prepare it.

    So is what it leaves nothing of (soft hyphens alone, say): else the empty password would be as good (RFC 4616 §2).
    """
    try:
        prepared = saslprep(password) or password
    except ValueError:
        prepared = password
    salted = PBKDF2HMAC(SHA256(), 32, salt, iterations).derive(prepared.encode())
    client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    return Verifier(iterations, salt, Keys(hashlib.sha256(client).digest(), server))


def fits(verifier: Verifier, password: str) -> bool:
    """Whether *verifier* was made of *password*."""
    made = verifier_of(password, verifier.salt, verifier.iterations)
    return hmac.compare_digest(made.keys.stored, verifier.keys.stored)
