"""SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side: for a smarthost that we log in to.

Neither the password nor what could be used in its place is sent, and the server proves that it knows it too.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from functools import lru_cache

from twisted_mail.sasl import PasswordCredentials, SASLError
from twisted_mail.saslprep import saslprep

ITERATIONS = range(4096, 1_000_001)
"""Of PBKDF2 that we compute: fewer are not safe (RFC 7677 §4), more would hold up the whole process for long."""

_SERVER_FIRST = re.compile(
    r"r=(?P<nonce>[!-+\--~]+),s=(?P<salt>[A-Za-z0-9+/=]+),i=(?P<iterations>[1-9][0-9]{0,8})(?:,.*)?"
)
_SERVER_FINAL = re.compile(r"v=(?P<signature>[A-Za-z0-9+/=]+)(?:,.*)?")
_NO_BINDING = "n,,"
_ESCAPES = str.maketrans({"=": "=3D", ",": "=2C"})


class ScramClient:
    """One exchange.  `initial` is what the client says first, each `respond` the next."""

    __slots__ = ("_bare", "_credentials", "_nonce", "_signature", "initial", "proven")

    def __init__(self, credentials: PasswordCredentials, nonce: str) -> None:
        """*nonce*: fresh for each exchange, printable ASCII without commas."""
        self._credentials = credentials
        self._nonce = nonce
        self._bare = f"n={_prepared(credentials.user).translate(_ESCAPES)},r={nonce}"
        self._signature: bytes | None = None
        self.initial = (_NO_BINDING + self._bare).encode()
        self.proven = False
        """The server has shown that it knows the password: only then its yes counts."""

    def respond(self, challenge: bytes) -> bytes:
        """Raises SASLError: this is no server that knows the password."""
        text = challenge.decode("utf-8", "replace")
        if self._signature is None:
            return self._final(text)
        self._check(text)
        return b""

    def _final(self, server_first: str) -> bytes:
        match = _SERVER_FIRST.fullmatch(server_first)
        if match is None or not match["nonce"].startswith(self._nonce) or match["nonce"] == self._nonce:
            raise SASLError("that is not how a server goes on in SCRAM")
        if (iterations := int(match["iterations"])) not in ITERATIONS:
            raise SASLError(
                f"it wants {iterations} iterations, which is not between {ITERATIONS[0]} and {ITERATIONS[-1]}"
            )
        salted = _salted(_prepared(self._credentials.password), _decoded(match["salt"]), iterations)
        unproven = f"c={b64encode(_NO_BINDING.encode()).decode()},r={match['nonce']}"
        auth_message = f"{self._bare},{server_first},{unproven}".encode()
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), auth_message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._signature = _hmac(_hmac(salted, b"Server Key"), auth_message)
        return f"{unproven},p={b64encode(proof).decode()}".encode()

    def _check(self, server_final: str) -> None:
        match = _SERVER_FINAL.fullmatch(server_final)
        assert self._signature is not None
        if match is None or not hmac.compare_digest(_decoded(match["signature"]), self._signature):
            raise SASLError("it does not know the password itself")
        self.proven = True


def _prepared(text: str) -> str:
    """What SASLprep does not allow is taken as it is, as servers do."""
    try:
        return saslprep(text)
    except ValueError:
        return text


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise SASLError("that is not base64") from error


@lru_cache(maxsize=16)
def _salted(password: str, salt: bytes, iterations: int) -> bytes:
    """Some 10 ms for 30,000 iterations: done once, not for each connection."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
