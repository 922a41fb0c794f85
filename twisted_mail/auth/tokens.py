"""Tokens of an OAuth 2 issuer: whose they are, if they are good.

Either their signature is checked with the issuer's public keys (JWT, RFC 9068), or the issuer itself is asked (token
introspection, RFC 7662).  What goes over the net is done in a thread, with a limit of time; a good answer is remembered
for a minute, so that a mail client which logs in often costs no request each time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

PATIENCE = 5.0
"""Seconds for one answer of the issuer."""
KEYS_AGAIN_AFTER = 60.0
"""Seconds: tokens with made-up keys cannot have us ask the issuer each time."""
KEYS_KEPT_FOR = 3600.0
"""Seconds, after which the issuer may have withdrawn one."""
MAX_ANSWER = 1024 * 1024
LEEWAY = 30
"""Seconds by which the issuer's clock may differ."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Of signatures with a public key: with those of a shared key, whoever may check a token could make one."""

Fetch = Callable[[str, bytes | None, Mapping[str, str]], Any]
"""Address, what to post, header fields -> the JSON of the answer.  Blocks.  Raises OSError or ValueError."""


class IssuerUnavailable(Exception):
    """The issuer does not answer, or with something else: nothing is known about the token."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer, and what we want of its tokens."""

    url: str
    """As it stands in the tokens."""
    audience: str
    """Tokens must be meant for it; empty: whatever for."""
    claim: str
    """Which claim holds the account's address."""

    @property
    def configuration(self) -> str:
        """OpenID Connect Discovery 1.0 §4."""
        return f"{self.url.rstrip('/')}/.well-known/openid-configuration"


class Tokens(Protocol):
    """One way to look at tokens."""

    def address(self, token: str) -> str | None:
        """Whose it is; None: it is not good.  Blocks.  Raises IssuerUnavailable."""


class SignedTokens:
    """JWTs."""

    def __init__(self, issuer: Issuer, keys: str, fetch: Fetch | None = None) -> None:
        """*keys*: address or file of a JWK set; empty: where the issuer says.  Raises ImportError without PyJWT."""
        import jwt  # late: an optional library

        self._jwt = jwt
        self._issuer = issuer
        self._fetch = fetch or fetch_json
        self._keys = keys
        self._lock = Lock()
        self._set: Any = None
        self._fetched = -KEYS_KEPT_FOR

    def address(self, token: str) -> str | None:
        jwt = self._jwt
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer.url,
                audience=self._issuer.audience or None,
                leeway=LEEWAY,
                options={"require": ["exp", "iss"], "verify_aud": bool(self._issuer.audience)},
            )
        except jwt.PyJWTError:
            return None
        return _address(claims, self._issuer)

    def _key(self, identifier: str | None) -> Any:
        """The public key of that name, or the only one; None: there is none."""
        with self._lock:
            age = time.monotonic() - self._fetched
            found = self._find(identifier)
            if age > KEYS_KEPT_FOR or (found is None and age > KEYS_AGAIN_AFTER):
                self._load()
                found = self._find(identifier)
            if self._set is None:
                raise IssuerUnavailable("its keys could not be had a moment ago")
            return found

    def _find(self, identifier: str | None) -> Any:
        keys = self._set.keys if self._set is not None else []
        if identifier is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.key_id == identifier), None)

    def _load(self) -> None:
        self._fetched = time.monotonic()
        try:
            self._set = self._jwt.PyJWKSet.from_dict(self._read())
        except (OSError, ValueError, KeyError, TypeError, self._jwt.PyJWTError) as error:
            raise IssuerUnavailable(f"its keys cannot be had: {error}") from error

    def _read(self) -> Any:
        if self._keys and "://" not in self._keys:
            with open(self._keys, "rb") as file:
                return json.load(file)
        address = self._keys or self._fetch(self._issuer.configuration, None, {})["jwks_uri"]
        return self._fetch(address, None, {})


class IntrospectedTokens:
    """Tokens of any form, about which the issuer is asked."""

    def __init__(self, issuer: Issuer, address: str, client: str, secret: str, fetch: Fetch | None = None) -> None:
        """*address*: of the introspection; *client* and *secret*: how we log in there."""
        self._issuer = issuer
        self._url = address
        # RFC 6749 §2.3.1: both are form-encoded first
        login = ":".join(urllib.parse.quote_plus(part) for part in (client, secret))
        self._header = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if client else {}
        self._fetch = fetch or fetch_json

    def address(self, token: str) -> str | None:
        query = urllib.parse.urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        try:
            claims = self._fetch(self._url, query, self._header)
        except (OSError, ValueError) as error:
            raise IssuerUnavailable(f"it cannot be asked: {error}") from error
        if not isinstance(claims, dict):
            raise IssuerUnavailable("it answers with something else than an object")
        if claims.get("active") is not True or claims.get("iss", self._issuer.url) != self._issuer.url:
            return None
        if self._issuer.audience and self._issuer.audience not in _texts(claims.get("aud")):
            return None
        if not isinstance(claims.get("exp", 0), (int, float)) or 0 < claims.get("exp", 0) < time.time() - LEEWAY:
            return None
        return _address(claims, self._issuer)


@dataclass(slots=True)
class RememberedTokens:
    """Good answers of another way, remembered for a short time under a key that only this process knows."""

    tokens: Tokens
    seconds: float = 60.0
    most: int = 10_000
    _until: dict[bytes, tuple[float, str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def address(self, token: str) -> str | None:
        digest = _digest(token)
        with self._lock:
            until, address = self._until.get(digest, (0.0, ""))
        if until > time.monotonic():
            return address
        found = self.tokens.address(token)
        with self._lock:
            self._until.pop(digest, None)
            if found is not None:
                self._until[digest] = time.monotonic() + self.seconds, found
            if len(self._until) > self.most:
                del self._until[next(iter(self._until))]
        return found


def _address(claims: Mapping[str, Any], issuer: Issuer) -> str | None:
    """What the issuer says of the address; one that it has not verified is none."""
    address = claims.get(issuer.claim)
    if not isinstance(address, str) or (issuer.claim == "email" and claims.get("email_verified") is False):
        return None
    return address


def _texts(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def _digest(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), key=_KEY, digest_size=32).digest()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An issuer answers itself; whoever sends us elsewhere is none."""

    def redirect_request(self, *request: object, **more: object) -> None:
        return None


_KEY = secrets.token_bytes(32)
_OPENER = urllib.request.build_opener(_NoRedirects)


def fetch_json(address: str, form: bytes | None, header: Mapping[str, str]) -> Any:
    """GET, or POST of a *form*.  Blocks for PATIENCE at most.  Raises OSError or ValueError."""
    if not address.startswith(("https://", "http://")):
        raise ValueError(f"{address} is no address in the web")
    request = urllib.request.Request(address, form, {"Accept": "application/json", **header})
    with _OPENER.open(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read(MAX_ANSWER))
