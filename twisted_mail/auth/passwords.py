"""Passwords: hashed with argon2id; hashes from other systems are verified as they are.

Beside the hash lies a verifier for SCRAM, wherever the password itself was at hand to make one; where there is one, it
is what a password is checked against (decision 0041).
A stored hash is argon2's own text (`$argon2id$...`) or `{SCHEME}...` as in the password files of other mail servers.
The checker replaces the second kind by the first at the next login.  `{PLAIN}` is not a hash: an import hashes it.
Everything here takes its time (argon2: some 30 ms and 19 MiB; SCRAM's verifier 4 ms) and belongs into a thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from twisted_mail.auth import verifiers
from twisted_mail.scram import Verifier

MAX_PASSWORD = 1024
"""Octets; some foreign schemes take time in proportion to them."""

_HASHER = PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)  # 19 MiB, as OWASP advises

_SCHEME = re.compile(r"\{([A-Za-z0-9-]+)(?:\.(?:b64|hex))?\}", re.IGNORECASE)
# crypt(3) and argon2 say by themselves what they are
_CRYPT_PREFIXES = {
    "$argon2id$": "ARGON2ID",
    "$argon2i$": "ARGON2I",
    "$6$": "SHA512-CRYPT",
    "$5$": "SHA256-CRYPT",
    "$1$": "MD5-CRYPT",
    "$2a$": "BLF-CRYPT",
    "$2b$": "BLF-CRYPT",
    "$2y$": "BLF-CRYPT",
}
SCRAM = "{SCRAM-SHA-256}"
"""Mark of a verifier that stands where a hash does, written as in scram.py."""
PLAIN_SCHEMES = frozenset({"PLAIN", "CLEAR", "CLEARTEXT"})
"""Marks of a password that stands there as it is."""


class PasswordFormatError(ValueError):
    """Not a hash that this program can verify.  The text says why and what to do; it never holds the hash."""


def hash_password(password: str | bytes) -> str:
    """A new argon2id hash."""
    return _HASHER.hash(password)


def verify(stored: str, password: str | bytes) -> bool:
    """Whether *password* is the one that was hashed.  False also for a hash that nothing here understands."""
    octets = password.encode() if isinstance(password, str) else password
    if len(octets) > MAX_PASSWORD:
        return False
    try:
        scheme, text = _split(stored)
        return _VERIFIERS[scheme](text, octets)
    except ValueError:
        return False


def needs_rehash(stored: str) -> bool:
    """Whether it is foreign, or argon2 with other parameters than today's."""
    try:
        return not stored.startswith("$argon2id$") or _HASHER.check_needs_rehash(stored)
    except InvalidHashError:
        return True


def take_foreign_hash(text: str) -> str:
    """What to store for a hash from another system.  Raises PasswordFormatError."""
    scheme, rest = _split(text)
    if scheme.startswith("ARGON2"):
        try:
            _HASHER.check_needs_rehash(rest)
        except InvalidHashError:
            raise PasswordFormatError("the argon2 hash is damaged") from None
        return rest
    try:
        _VERIFIERS[scheme](rest, b"probe")
    except PasswordFormatError:
        raise
    except ValueError:
        raise PasswordFormatError(f"the {{{scheme}}} hash is damaged") from None
    return text if text.startswith("{") else f"{{{scheme}}}{text}"


def password_problem(password: str) -> str | None:
    """Why nobody could log in with it; None where they can."""
    if not password:
        return "the password is empty"
    if len(password.encode(errors="replace")) > MAX_PASSWORD:
        return f"the password is longer than {MAX_PASSWORD} octets"
    if any(ord(character) < 32 or ord(character) == 127 or 0xD800 <= ord(character) < 0xE000 for character in password):
        return "the password holds control characters, or is not UTF-8"
    return None


def plain_password(text: str) -> str | None:
    """The password behind `{PLAIN}`; None where another scheme or none stands in front."""
    match = _SCHEME.match(text)
    return text[match.end() :] if match and match.group(1).upper() in PLAIN_SCHEMES else None


def is_marked_hash(text: str) -> bool:
    """Whether *text* begins with a `{SCHEME}` or one of crypt's marks."""
    return bool(_SCHEME.match(text)) or text.startswith(tuple(_CRYPT_PREFIXES))


def _split(text: str) -> tuple[str, str]:
    match = _SCHEME.match(text)
    scheme = match.group(1).upper() if match else ""
    rest = text[match.end() :] if match else text
    if scheme in ("", "CRYPT"):
        scheme = next((name for prefix, name in _CRYPT_PREFIXES.items() if rest.startswith(prefix)), scheme)
    if scheme not in _VERIFIERS:
        raise PasswordFormatError(f"the scheme {{{scheme}}} is not known; known are {', '.join(sorted(_VERIFIERS))}")
    return scheme, rest


# ---- one verifier a scheme: hash without its mark, password; raises ValueError for a damaged hash


def _argon2(text: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(text, password)
    except (VerificationError, InvalidHashError):
        return False


def _libpass(name: str) -> Callable[[str, bytes], bool]:
    def verify_crypt(text: str, password: bytes) -> bool:
        # imported late: few servers need it, and it costs some 50 ms
        import passlib.exc
        import passlib.hash

        try:
            return bool(getattr(passlib.hash, name).verify(password, text))
        except passlib.exc.MissingBackendError as error:
            raise PasswordFormatError(f"{name} hashes need one more library: pip install {name}") from error

    return verify_crypt


def _salted(algorithm: str) -> Callable[[str, bytes], bool]:
    """Digest of password and salt, then the salt, in base64 or hexadecimal digits.  The salt may be empty."""
    size = hashlib.new(algorithm).digest_size

    def verify_digest(text: str, password: bytes) -> bool:
        octets = _decoded(text, size)
        digest = hashlib.new(algorithm, password + octets[size:]).digest()
        return hmac.compare_digest(digest, octets[:size])

    return verify_digest


def _decoded(text: str, size: int) -> bytes:
    try:
        if len(text) >= 2 * size and re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", text):
            return bytes.fromhex(text)
        octets = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("neither base64 nor hexadecimal") from error
    if len(octets) < size:
        raise ValueError("too short")
    return octets


def _pbkdf2(text: str, password: bytes) -> bool:
    """`$1$salt$rounds$digest`, with SHA-1."""
    _, version, salt, rounds, digest = text.split("$")
    if version != "1":
        raise ValueError("unknown version")
    found = hashlib.pbkdf2_hmac("sha1", password, salt.encode(), int(rounds), len(digest) // 2)
    return hmac.compare_digest(found.hex(), digest.lower())


def _scram(text: str, password: bytes) -> bool:
    return verifiers.fits(Verifier.parse(text), password.decode())


_VERIFIERS: Mapping[str, Callable[[str, bytes], bool]] = {
    "ARGON2ID": _argon2,
    "ARGON2I": _argon2,
    "SCRAM-SHA-256": _scram,
    "SHA512-CRYPT": _libpass("sha512_crypt"),
    "SHA256-CRYPT": _libpass("sha256_crypt"),
    "MD5-CRYPT": _libpass("md5_crypt"),
    "BLF-CRYPT": _libpass("bcrypt"),
    "BCRYPT": _libpass("bcrypt"),
    "PBKDF2": _pbkdf2,
    "SSHA512": _salted("sha512"),
    "SSHA256": _salted("sha256"),
    "SSHA": _salted("sha1"),
    "SMD5": _salted("md5"),
    "SHA512": _salted("sha512"),
    "SHA256": _salted("sha256"),
    "SHA": _salted("sha1"),
    "SHA1": _salted("sha1"),
    "PLAIN-MD5": _salted("md5"),
    "LDAP-MD5": _salted("md5"),
}
