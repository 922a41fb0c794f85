"""App passwords: further passwords of an account, one for each program or device, each for smtp, pop3 or both.

They are made here and random, so a plain digest keeps them, and neither a slow hash nor a delay after failures is
needed: nobody guesses 100 bits.  One can be removed without changing the others.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from enum import Enum

from twisted_mail.auth.database import Database, now
from twisted_mail.auth.names import DirectoryError
from twisted_mail.auth.verifiers import verifier_of
from twisted_mail.scram import Verifier
from twisted_mail.smtp.address import Address

NOTED_EVERY = 3600
"""Seconds: a later use of the same password is not written down before."""
MAX_NAME = 64
MAX_PASSWORDS = 50
"""An account: SCRAM tries them all."""

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, of which no two look the same


class Purpose(Enum):
    """What an app password is good for; a session's protocol is one of them."""

    SMTP = "smtp"
    POP3 = "pop3"


@dataclass(frozen=True, slots=True)
class AppPassword:
    """One of an account, as it is listed."""

    name: str
    purposes: tuple[Purpose, ...]
    created: int
    """Seconds since 1970."""
    last_used: int | None
    """The same, as exact as NOTED_EVERY."""


class AppPasswords:
    """Those of all accounts.  Addresses are canonical."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account: Address, name: str, purposes: tuple[Purpose, ...], salt: bytes) -> str:
        """The new password, which can never be shown again.  Raises DirectoryError."""
        _check_name(name)
        password = _generate()
        protocols = " ".join(purpose.value for purpose in purposes)
        row = (*_key(account), name, _digest(password.encode()), str(verifier_of(password, salt)), protocols, now())
        with self._database.transaction() as writer:
            held = [existing for (existing,) in writer.execute(_NAMES, _key(account)).fetchall()]
            if name in held:
                raise DirectoryError(f'{account} has an app password "{name}" already; remove it, or use another name')
            if len(held) >= MAX_PASSWORDS:
                raise DirectoryError(f"{account} has {MAX_PASSWORDS} app passwords already; remove those not in use")
            if not writer.execute(_ACCOUNT, _key(account)).fetchall():
                raise DirectoryError(f"there is no account {account}; see: mailserver account list")
            writer.execute(_INSERT, row)
        return password

    def list(self, account: Address) -> list[AppPassword]:
        rows = self._database.select(_LIST, _key(account)).fetchall()
        return [AppPassword(name, _purposes(protocols), made, used) for name, protocols, made, used in rows]

    def remove(self, account: Address, name: str) -> None:
        """Raises DirectoryError."""
        with self._database.transaction() as writer:
            if writer.execute(_DELETE, (*_key(account), name)).rowcount == 0:
                raise DirectoryError(
                    f'{account} has no app password "{name}"; see: mailserver account app-password list {account}'
                )

    # ---- logging in

    def match(self, account: Address, password: bytes, purpose: Purpose) -> str | None:
        """The name of the app password that *password* is; None: it is none for this purpose."""
        rows = self._database.select(_MATCH, (*_key(account), _digest(password))).fetchall()
        return next((name for name, protocols in rows if purpose in _purposes(protocols)), None)

    def verifiers(self, account: Address, purpose: Purpose) -> dict[str, Verifier]:
        """For SCRAM, by name."""
        rows = self._database.select(_VERIFIERS, _key(account)).fetchall()
        return {
            name: Verifier.parse(text) for name, text, protocols in rows if text and purpose in _purposes(protocols)
        }

    def needs_note(self, account: Address, name: str) -> bool:
        """Whether its last use was noted too long ago."""
        rows = self._database.select(_LAST_USED, (*_key(account), name)).fetchall()
        return bool(rows) and (rows[0][0] or 0) + NOTED_EVERY <= now()

    def note_use(self, account: Address, name: str) -> None:
        """Blocks for the disk, in any thread.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            writer.execute(_NOTE, (now(), *_key(account), name))


_HERE = "domain = ? AND local_part = ?"
_ACCOUNT = f"SELECT 1 FROM account WHERE {_HERE}"
_NAMES = f"SELECT name FROM app_password WHERE {_HERE}"
_LIST = f"SELECT name, protocols, created, last_used FROM app_password WHERE {_HERE} ORDER BY name"
_MATCH = f"SELECT name, protocols FROM app_password WHERE {_HERE} AND digest = ?"
_VERIFIERS = f"SELECT name, verifier, protocols FROM app_password WHERE {_HERE} ORDER BY name"
_LAST_USED = f"SELECT last_used FROM app_password WHERE {_HERE} AND name = ?"
_INSERT = (
    "INSERT INTO app_password (domain, local_part, name, digest, verifier, protocols, created)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_DELETE = f"DELETE FROM app_password WHERE {_HERE} AND name = ?"
_NOTE = f"UPDATE app_password SET last_used = ? WHERE {_HERE} AND name = ?"


def _check_name(name: str) -> None:
    if not name or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        raise DirectoryError(
            f'"{name}" cannot name an app password; write up to {MAX_NAME} letters, digits and signs, as in "phone"'
        )


def _generate() -> str:
    """`xxxx-xxxx-xxxx-xxxx-xxxx`: 100 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(5))


def _digest(password: bytes) -> bytes:
    return hashlib.sha256(password).digest()


def _purposes(protocols: str) -> tuple[Purpose, ...]:
    return tuple(Purpose(word) for word in protocols.split())


def _key(address: Address) -> tuple[str, str]:
    return address.domain, address.local_part
