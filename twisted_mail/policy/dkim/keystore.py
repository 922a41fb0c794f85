"""The private keys of the domains, as files.

    DOMAIN/keys.json     which pairs there are, and what each is used for (rotation.py); replaced in one step
    DOMAIN/SELECTOR.pem  a private key (PKCS 8), 0600, never written again

`mailserver` writes, the server reads: it looks whether keys.json has changed before it signs, and needs no restart.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from cryptography.hazmat.primitives import serialization
from twisted.logger import Logger

from twisted_mail.durable import Replacement, make_directory, run_now
from twisted_mail.filecontents import Octets
from twisted_mail.policy.dkim.algorithms import Algorithm, PrivateKey, new_key
from twisted_mail.policy.dkim.rotation import KeyPair, Stage
from twisted_mail.policy.dkim.sign import SigningKey


class KeyStoreError(Exception):
    """The keys of a domain cannot be read; the text says which and what to do."""


class KeyStore:
    """All of it blocks, and raises OSError.  Who changes keys has them `locked`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def domains(self) -> list[str]:
        """Those that have keys."""
        try:
            return sorted(name for name in os.listdir(self._folder) if os.path.exists(self.state_file(name)))
        except FileNotFoundError:
            return []

    def state_file(self, domain: str) -> str:
        return f"{self._folder}/{domain}/keys.json"

    @contextmanager
    def locked(self, domain: str) -> Iterator[None]:
        """Nobody else changes its keys meanwhile: a timer and a person might do so at the same time."""
        make_directory(f"{self._folder}/{domain}")
        descriptor = os.open(f"{self._folder}/{domain}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def pairs(self, domain: str) -> tuple[KeyPair, ...]:
        """The oldest first; none where the domain has no keys.  Raises KeyStoreError."""
        path = self.state_file(domain)
        try:
            with open(path, "rb") as file:
                found = json.load(file)["pairs"]
            return tuple(KeyPair(each["name"], Stage(each["stage"]), int(each["since"])) for each in found)
        except FileNotFoundError:
            return ()
        except (ValueError, KeyError, TypeError) as error:
            raise KeyStoreError(f"{path} is damaged; move it away, then: mailserver dkim rotate {domain}") from error

    def save(self, domain: str, pairs: Sequence[KeyPair]) -> None:
        """Makes the keys that are not there yet, and removes those that nothing names any more."""
        make_directory(f"{self._folder}/{domain}")
        for pair in pairs:
            for algorithm in Algorithm:
                path = self._key_file(domain, pair, algorithm)
                if not os.path.exists(path):
                    _write(path, _pem(new_key(algorithm)))
        state = [{"name": each.name, "stage": each.stage.value, "since": each.since} for each in pairs]
        _write(self.state_file(domain), json.dumps({"pairs": state}, indent=1).encode())
        self._remove_others(domain, pairs)

    def remove(self, domain: str) -> None:
        """Whoever may send from here could write in its name otherwise, once it is nobody's."""
        if not os.path.isdir(f"{self._folder}/{domain}"):
            return
        with suppress(FileNotFoundError):
            os.unlink(self.state_file(domain))
        self._remove_others(domain, ())

    def keys(self, domain: str, pair: KeyPair) -> tuple[SigningKey, ...]:
        """Those of one pair.  Raises KeyStoreError."""
        return tuple(
            SigningKey(domain, pair.selector(algorithm), self._read(self._key_file(domain, pair, algorithm)))
            for algorithm in (Algorithm.ED25519, Algorithm.RSA)
        )

    def _read(self, path: str) -> PrivateKey:
        try:
            with open(path, "rb") as file:
                key = serialization.load_pem_private_key(file.read(), None)
        except (FileNotFoundError, ValueError, TypeError) as error:
            raise KeyStoreError(f"{path} is not there or is no key; restore it from a backup") from error
        assert isinstance(key, PrivateKey)
        return key

    def _remove_others(self, domain: str, pairs: Sequence[KeyPair]) -> None:
        wanted = {self._key_file(domain, pair, algorithm) for pair in pairs for algorithm in Algorithm}
        for name in os.listdir(f"{self._folder}/{domain}"):
            path = f"{self._folder}/{domain}/{name}"
            if name.endswith(".pem") and path not in wanted:
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def _key_file(self, domain: str, pair: KeyPair, algorithm: Algorithm) -> str:
        return f"{self._folder}/{domain}/{pair.selector(algorithm)}.pem"


class ActiveKeys:
    """The keys with which a domain signs now: read again when `mailserver` has changed them.

    A domain whose keys cannot be read signs nothing: mail without signature is better than none.
    """

    log = Logger()

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._read: dict[str, tuple[tuple[int, int], tuple[SigningKey, ...]]] = {}

    def of(self, domain: str) -> tuple[SigningKey, ...]:
        """None where it has no keys.  A look at one file's time, 2 microseconds, and rarely more."""
        try:
            found = os.stat(self._store.state_file(domain))
        except OSError:
            self._read.pop(domain, None)
            return ()
        version = (found.st_ino, found.st_mtime_ns)
        known = self._read.get(domain)
        if known is None or known[0] != version:
            known = self._read[domain] = (version, self._load(domain))
        return known[1]

    def _load(self, domain: str) -> tuple[SigningKey, ...]:
        try:
            active = [pair for pair in self._store.pairs(domain) if pair.stage is Stage.ACTIVE]
            return self._store.keys(domain, active[-1]) if active else ()
        except (KeyStoreError, OSError) as error:
            self.log.error("mail from {domain} is not signed: {why}", domain=domain, why=error)
            return ()


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: str, octets: bytes) -> None:
    """0600, synced."""
    run_now(Replacement(Octets(octets), f"{path}.{os.urandom(6).hex()}", path))
