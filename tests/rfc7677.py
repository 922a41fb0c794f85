"""The exchange of RFC 7677 §3: `user` has the password `pencil`."""

from __future__ import annotations

from base64 import b64decode

from twisted_mail.auth.verifiers import verifier_of
from twisted_mail.scram import Keys, Secret, Verifier

CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
PENCIL = verifier_of("pencil", SALT, 4096)


def secret(*verifiers: Verifier, binding: bytes | None = None) -> Secret:
    """What the server knows; app passwords have numbers as names."""
    keys = tuple(Keys(each.keys.stored, each.keys.server, str(n or "")) for n, each in enumerate(verifiers))
    return Secret(SALT, 4096, keys, SERVER_NONCE, binding)
