"""Certificates from an ACME authority (RFC 8555).  Blocks: for a thread.  Needs the library of the extra `acme`.

An authority gives a certificate for names once it has seen, for each, that the name leads to this server.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from acme import challenges as kinds
from acme import crypto_util, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from josepy.errors import Error as JOSEError
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from twisted_mail.web.challenges import Challenges, Kind, RefusedError

LOOKS_WITHIN = timedelta(seconds=90)
"""Time in which an authority must have looked at all names, and have signed."""
NONCES = 5
"""Times that a request is sent again."""
ANSWERS_WITHIN = 30
"""Seconds for one request to it."""


@kinds.ChallengeResponse.register
class TLSALPN01Response(kinds.KeyAuthorizationChallengeResponse):
    """That the authority may look; the library has this kind no longer."""

    typ = Kind.TLS_ALPN.value


@kinds.Challenge.register
class TLSALPN01(kinds.KeyAuthorizationChallenge):
    """RFC 8737 §3."""

    response_cls = TLSALPN01Response
    typ = Kind.TLS_ALPN.value

    def validation(self, account_key: JWK, **kwargs: object) -> str:
        return str(self.key_authorization(account_key))


@dataclass(frozen=True, slots=True)
class Authority:
    """Whom to ask."""

    directory: str
    """The address of its directory.  Who names it here agrees with its terms."""
    contact: str
    """A mail address, or empty."""
    account_key: str
    """The file of the account's key; made where there is none."""
    authorities: str | None = None
    """PEM file: who certifies the authority's own web server; None: those that everybody knows."""


class Network(ClientNetwork):
    """The authority may refuse any nonce and give another (RFC 8555 §6.5); the library itself tries one more only."""

    def post(self, *args: Any, **kwargs: Any) -> Any:
        for _ in range(NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
                refusal = error
        raise refusal


def obtain(
    authority: Authority, names: Sequence[str], key: bytes, challenges: Challenges, allowed: Sequence[Kind]
) -> bytes:
    """A certificate for *names* and the private *key*, both PEM, with its chain.

    *allowed*: ways in which the authority can look, the best first; the next is tried where one fails.
    Raises RefusedError.
    """
    refusal = RefusedError("there is no web listener at which the authority could look")
    for kind in allowed:
        try:
            return _obtain(authority, names, key, challenges, kind)
        except errors.ValidationError as error:
            refusal = RefusedError(f"by {kind.value}: {_words(error)}")
        except messages.Error as error:
            raise RefusedError(f"{authority.directory} says: {error.detail or error}") from error
        except (errors.Error, JOSEError, OSError, ValueError) as error:
            raise RefusedError(f"{authority.directory}: {str(error) or type(error).__name__}") from error
    raise refusal


def _obtain(authority: Authority, names: Sequence[str], key: bytes, challenges: Challenges, kind: Kind) -> bytes:
    client = _client(authority)
    order = client.new_order(crypto_util.make_csr(key, list(names)))
    deadline = datetime.now() + LOOKS_WITHIN
    with ExitStack() as published:
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_PENDING:
                name = authorization.body.identifier.value
                body = _challenge(authorization, kind)
                response, text = body.response_and_validation(client.net.key)
                token = body.chall.encode("token")
                published.enter_context(challenges.published(kind, name, token, text))
                client.answer_challenge(body, response)
        order = client.poll_and_finalize(order, deadline)
    return str(order.fullchain_pem).encode()


def _challenge(authorization: messages.AuthorizationResource, kind: Kind) -> messages.ChallengeBody:
    for body in authorization.body.challenges:
        if body.chall.typ == kind.value:
            return body
    raise errors.ClientError(f"it does not offer {kind.value} for {authorization.body.identifier.value}")


def _client(authority: Authority) -> ClientV2:
    """Logged in, with a new account or the one that belongs to our key."""
    network = Network(
        _account_key(authority.account_key),
        alg=ES256,
        verify_ssl=authority.authorities or True,  # type: ignore[arg-type]  # requests takes a file, too
        user_agent="twisted-mail",
        timeout=ANSWERS_WITHIN,
    )
    client = ClientV2(ClientV2.get_directory(authority.directory, network), network)
    wanted = messages.NewRegistration.from_data(email=authority.contact or None, terms_of_service_agreed=True)
    try:
        client.new_account(wanted)
    except errors.ConflictError as known:
        network.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())
    return client


def _account_key(path: str) -> JWKEC:
    try:
        with open(path, "rb") as file:
            key = load_pem_private_key(file.read(), password=None)
    except FileNotFoundError:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is no EC key; remove it, and another account is made") from None
    return JWKEC(key=key)


def _words(error: errors.ValidationError) -> str:
    """What the authority says of each name."""
    said = []
    for authorization in error.failed_authzrs:
        for body in authorization.body.challenges:
            if body.error is not None:
                said.append(f"{authorization.body.identifier.value}: {body.error.detail}")
    return "; ".join(said) or "the names could not be checked"
