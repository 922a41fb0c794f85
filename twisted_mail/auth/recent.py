"""Logins that were right lately, so that the next one costs microseconds.  In memory only, without the passwords.

What is kept is a digest of address, stored hash and password under a key that only the server's processes know.  A
changed password changes the stored hash, and so the digest.  Several processes tell one another the digests: else each
would hash each password once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from twisted_mail.auth.directory import Account

REMEMBERED_FOR = 600.0
"""Seconds since the last login."""
MAX_REMEMBERED = 50_000
"""Logins, some 150 octets each."""
KEY_SIZE = 32
"""Octets."""


class RecentLogins:
    """Those of all processes of the server, as far as this one has heard."""

    def __init__(
        self,
        clock: IReactorTime,
        key: bytes,
        tell: Callable[[str], None] = lambda digest: None,
        size: int = MAX_REMEMBERED,
    ) -> None:
        """*key*: KEY_SIZE random octets, the same in all processes; *tell* takes a digest to the others."""
        self._clock = clock
        self._key = key
        self._tell = tell
        self._size = size
        self._until: dict[bytes, float] = {}

    def has(self, account: Account, password: bytes) -> bool:
        digest = self._digest(account, password)
        until = self._until.get(digest)
        if until is None or until < self._clock.seconds():
            return False
        self._put(digest)
        return True

    def remember(self, account: Account, password: bytes) -> None:
        digest = self._digest(account, password)
        self._put(digest)
        self._tell(digest.hex())

    def hear(self, digest: str) -> None:
        """Another process tells."""
        self._put(bytes.fromhex(digest))

    def _put(self, digest: bytes) -> None:
        self._until.pop(digest, None)
        self._until[digest] = self._clock.seconds() + REMEMBERED_FOR
        if len(self._until) > self._size:
            del self._until[next(iter(self._until))]

    def _digest(self, account: Account, password: bytes) -> bytes:
        # neither address nor hash holds a NUL
        octets = f"{account.address}\0{account.password}\0".encode() + password
        return hashlib.blake2b(octets, key=self._key, digest_size=32).digest()
