"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the server's side.

The client proves that it knows the password, and the server that it has the verifier; neither is sent.  With PLUS the
proof also covers the TLS connection, so that nobody in the middle can pass it on (RFC 5929, RFC 9266).
An account may have several secrets (app passwords): all have the salt of the account, and each is tried.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted_mail.sasl import Challenge, Exchange, Inquiry, ProvenCredentials, SASLError, Step, check_name, utf8
from twisted_mail.saslprep import saslprep

BINDINGS = ("tls-exporter", "tls-server-end-point")
"""Types of channel binding."""

# gs2-header, then client-first-message-bare (RFC 5802 §7)
_CLIENT_FIRST = re.compile(
    r"(?P<gs2>(?:p=(?P<binding>[A-Za-z0-9.-]+)|(?P<flag>[ny])),(?:a=(?P<identity>[^,]+))?,)"
    r"(?P<bare>n=(?P<user>[^,]+),r=(?P<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,]+)*)"
)
_CLIENT_FINAL = re.compile(
    r"(?P<unproven>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,]+)*),p=(?P<proof>[A-Za-z0-9+/=]+)"
)
_NAME = re.compile(r"=(2C|3D)")
_ESCAPED = {"2C": ",", "3D": "="}


# ---- what is stored


@dataclass(frozen=True, slots=True)
class Keys:
    """What the server keeps of one password (RFC 5802 §3)."""

    stored: bytes = field(repr=False)
    server: bytes = field(repr=False)
    name: str = ""
    """Of the app password, empty for the account's own."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """One password, as it is stored: `iterations,salt,StoredKey,ServerKey`, the last three in base64."""

    iterations: int
    salt: bytes
    keys: Keys

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Raises ValueError."""
        iterations, *octets = text.split(",")
        salt, stored, server = (b64decode(part, validate=True) for part in octets)
        if len(stored) != 32 or len(server) != 32 or not 1 <= int(iterations) <= 10_000_000:
            raise ValueError("not a verifier for SCRAM-SHA-256")
        return cls(int(iterations), salt, Keys(stored, server))

    def __str__(self) -> str:
        parts = (self.salt, self.keys.stored, self.keys.server)
        return ",".join((str(self.iterations), *(b64encode(part).decode() for part in parts)))


# ---- what the exchange asks for


@dataclass(frozen=True, slots=True)
class SecretWanted(Inquiry):
    """The verifiers of *user*, who may not exist; and what binds to this connection.  Its answer is a `Secret`."""

    user: str
    binding: str
    """One of BINDINGS, or empty."""


@dataclass(frozen=True, slots=True)
class Secret:
    """The answer.  For a user who does not exist it looks the same each time, and no proof fits."""

    salt: bytes
    iterations: int
    keys: tuple[Keys, ...]
    nonce: str = field(repr=False, default="")
    """Fresh for each exchange, printable ASCII without commas."""
    binding: bytes | None = None
    """What was asked for; None: this connection does not have it."""


# ---- the exchange


@dataclass(slots=True)
class _Run:
    """What has been said so far."""

    gs2: str
    bare: str
    user: str
    nonce: str
    secret: Secret | None = None
    server_first: str = ""


class Scram(Exchange):
    """One run.  The client speaks first; after the server's proof it sends an empty response (RFC 4954 §4)."""

    __slots__ = ("_binding_offered", "_next", "_plus", "_run")

    def __init__(self, *, plus: bool, binding_offered: bool) -> None:
        """*plus*: SCRAM-SHA-256-PLUS.  *binding_offered*: that mechanism was offered to the client."""
        self._plus = plus
        self._binding_offered = binding_offered
        self._run: _Run | None = None
        self._next: Callable[[str], Step] = self._client_first

    def respond(self, response: bytes | None) -> Step:
        return Challenge(b"") if response is None else self._next(utf8(response))

    def inform(self, answer: object) -> Step:
        run = self._run
        assert run is not None
        assert isinstance(answer, Secret)
        run.secret = answer
        run.nonce += answer.nonce
        run.server_first = f"r={run.nonce},s={b64encode(answer.salt).decode()},i={answer.iterations}"
        self._next = self._client_final
        return Challenge(run.server_first.encode())

    def _client_first(self, message: str) -> Step:
        match = _CLIENT_FIRST.fullmatch(message)
        if match is None:
            raise SASLError("That is not how SCRAM begins")
        self._check_binding(match["flag"], match["binding"])
        user = check_name(_unescaped(match["user"]), _unescaped(match["identity"] or ""))
        self._run = _Run(match["gs2"], match["bare"], user, match["nonce"])
        return SecretWanted(user, match["binding"] or "")

    def _check_binding(self, flag: str | None, binding: str | None) -> None:
        """RFC 5802 §6."""
        if self._plus and binding is None:
            raise SASLError("SCRAM-SHA-256-PLUS needs channel binding")
        if not self._plus and binding is not None:
            raise SASLError("Channel binding needs SCRAM-SHA-256-PLUS")
        if binding is not None and binding not in BINDINGS:
            raise SASLError(f"This type of channel binding is not known here; there is {', '.join(BINDINGS)}")
        if flag == "y" and self._binding_offered:
            # The client could bind and did not see the offer: somebody has taken it out.
            raise SASLError("SCRAM-SHA-256-PLUS was offered and did not reach you: somebody changes what is sent")

    def _client_final(self, message: str) -> Step:
        run = self._run
        assert run is not None
        assert run.secret is not None
        match = _CLIENT_FINAL.fullmatch(message)
        if match is None:
            raise SASLError("That is not how SCRAM ends")
        binding, proof = _decoded(match["binding"]), _decoded(match["proof"])
        if match["nonce"] != run.nonce:
            raise SASLError("The nonce is not the one of this exchange")
        if self._plus and run.secret.binding is None:
            raise SASLError("This connection does not have that type of channel binding")
        if not hmac.compare_digest(binding, run.gs2.encode() + (run.secret.binding or b"")):
            raise SASLError("The channel binding does not fit: somebody may stand between you and the server")
        return self._verified(run, run.secret, f"{run.bare},{run.server_first},{match['unproven']}".encode(), proof)

    def _verified(self, run: _Run, secret: Secret, auth_message: bytes, proof: bytes) -> Step:
        # all keys, so that what it takes does not tell which one fits
        good = [keys for keys in secret.keys if _fits(keys, auth_message, proof)]
        if not good:
            return ProvenCredentials(run.user, proven=False)
        keys = good[0]
        self._next = lambda message: self._acknowledged(message, ProvenCredentials(run.user, True, keys.name))
        return Challenge(b"v=" + b64encode(_hmac(keys.server, auth_message)))

    @staticmethod
    def _acknowledged(message: str, credentials: ProvenCredentials) -> Step:
        if message:
            raise SASLError("Nothing was expected any more")
        return credentials


def _fits(keys: Keys, auth_message: bytes, proof: bytes) -> bool:
    """RFC 5802 §3."""
    signature = _hmac(keys.stored, auth_message)
    if len(proof) != len(signature):
        return False
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored)


def _unescaped(name: str) -> str:
    """A saslname.  Raises SASLError."""
    plain = _NAME.sub(lambda match: _ESCAPED[match[1]], name)
    if name.count("=") != len(_NAME.findall(name)):
        raise SASLError("A = in a name is written =3D")
    try:
        return saslprep(plain)
    except ValueError as error:
        raise SASLError("Control characters are not allowed in a name") from error


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise SASLError("That is not base64") from error


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
