"""What an ACME authority finds while it checks that names lead here: files (http-01) and certificates (tls-alpn-01).

A challenge is there from the moment in which the authority is told to look, until it has looked.  `published` may be
called in any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

from twisted_mail.protocols.tls import Certificates
from twisted_mail.protocols.tlsalpn import challenge_context

K = TypeVar("K")
V = TypeVar("V")


class Kind(Enum):
    """How the authority looks."""

    HTTP = "http-01"
    """Over HTTP, on port 80."""
    TLS_ALPN = "tls-alpn-01"
    """In a TLS handshake, on port 443."""


class RefusedError(Exception):
    """No certificate this time; the text says why, in one line."""


class Challenges:
    """Those that wait to be looked at."""

    def __init__(self, certificates: Certificates | None) -> None:
        """*certificates*: of the https listeners."""
        self._certificates = certificates
        self._files: dict[str, bytes] = {}

    def file(self, token: str) -> bytes | None:
        """What the authority looks for over HTTP; None: nothing waits under that name."""
        return self._files.get(token)

    @contextmanager
    def published(self, kind: Kind, name: str, token: str, authorization: str) -> Iterator[None]:
        """*authorization*: token and digest of the account's key (RFC 8555 §8.1); *name*: the host name in question."""
        if kind is Kind.HTTP:
            with _entry(self._files, token, authorization.encode()):
                yield
        else:
            assert self._certificates is not None
            context = challenge_context(name, authorization)
            with _entry(self._certificates.challenges, name.lower().encode(), context):
                yield


@contextmanager
def _entry(table: dict[K, V], key: K, value: V) -> Iterator[None]:
    table[key] = value
    try:
        yield
    finally:
        del table[key]
