"""The sender rewriting scheme (SRS): a sender that a forwarder may use, from which the original can be had back.

    SRS0=HASH=TT=sender.example=bob@forwarder.example       bob@sender.example, forwarded once
    SRS1=HASH=forwarder.example==REST@second.example        SRS0=REST@forwarder.example, forwarded by us as well

Servers that check SPF refuse bob@sender.example from a machine that does not send for sender.example.  A report to the
rewritten address comes to us, and `restore` tells whom it is for.  HASH shows that it was made here and TT on which
day, so that nobody can send through us by making up such an address, and none is good for ever.  An SRS1 needs no day:
its REST has that of the first forwarder, to whom it goes back without passing those between.

Servers on the way may change the case of a local part: what must be compared is compared without it.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass

from twisted_mail.smtp.address import MAX_LOCAL_PART, Address, AddressError, parse_address_literal, parse_domain

VALID = 21
"""Days for which a report is taken: longer than any server tries to send."""

_DAY = 86_400
_DAYS = 1024  # TT: two digits of base 32, so that it begins again after almost three years
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_HASH_DIGITS = 6

_FLAGS = re.IGNORECASE | re.DOTALL | re.ASCII
# tag, separator, rest; the first separator may be any of these three, and others use them
_TAGGED = re.compile(r"(SRS[01])([=+-])(.+)", _FLAGS)
# HASH=TT=domain=local part
_ORIGINAL = re.compile(r"([^=]*)=([A-Z2-7]{2})=([^=]+)=(.+)", _FLAGS)
# HASH=forwarder=REST, which begins with the separator of the SRS0
_FORWARDED = re.compile(r"([^=]*)=([^=]+)=([=+-].+)", _FLAGS)


class SRSError(ValueError):
    """Not a return path of ours, or no longer; the text says so to whom used it."""


def is_rewritten(address: Address) -> bool:
    """Whether *address* looks as if this scheme had made it, here or elsewhere."""
    return _TAGGED.fullmatch(address.local_part) is not None


@dataclass(frozen=True, slots=True)
class SenderRewriting:
    """The scheme with the key of one server.  *now* is Unix time."""

    key: bytes

    def rewrite(self, sender: Address, domain: str, now: float) -> Address | None:
        """What stands for *sender* in *domain*, one of ours; None: it would be longer than an address may be."""
        match = _TAGGED.fullmatch(sender.local_part)
        if match is None:
            stamp = _stamp(now)
            rest = f"{stamp}={sender.domain}={sender.local_part}"
            local_part = f"SRS0={self._hash(rest)}={rest}"
        else:
            local_part = self._forwarded(sender.domain, *match.groups())
        return Address(local_part, domain) if len(local_part.encode()) <= MAX_LOCAL_PART else None

    def _forwarded(self, forwarder: str, tag: str, separator: str, rest: str) -> str:
        inner = f"{forwarder}={separator}{rest}"
        if tag.upper() == "SRS1" and (earlier := _FORWARDED.fullmatch(rest)):
            # whoever is between the first forwarder and us need not see the report
            inner = f"{earlier.group(2)}={earlier.group(3)}"
        return f"SRS1={self._hash(inner)}={inner}"

    def restore(self, address: Address, now: float) -> Address:
        """The sender that *address* stands for.  Raises SRSError."""
        match = _TAGGED.fullmatch(address.local_part)
        if match is None:
            raise SRSError("This is not a return address")
        tag, _, rest = match.groups()
        return self._original(rest, now) if tag.upper() == "SRS0" else self._first_forwarder(rest)

    def _original(self, rest: str, now: float) -> Address:
        match = _ORIGINAL.fullmatch(rest)
        if match is None:
            raise _forged()
        hash_, stamp, domain, local_part = match.groups()
        self._check(hash_, f"{stamp}={domain}={local_part}")
        if (_day(now) - _day_of(stamp)) % _DAYS > VALID:
            raise SRSError(f"This return address is over: reports were taken for {VALID} days")
        return Address(local_part, _domain(domain))

    def _first_forwarder(self, rest: str) -> Address:
        match = _FORWARDED.fullmatch(rest)
        if match is None:
            raise _forged()
        hash_, forwarder, inner = match.groups()
        self._check(hash_, f"{forwarder}={inner}")
        return Address(f"SRS0{inner}", _domain(forwarder))

    def _hash(self, text: str) -> str:
        digest = hmac.digest(self.key, text.lower().encode(errors="surrogatepass"), "sha256")
        return base64.b32encode(digest).decode()[:_HASH_DIGITS]

    def _check(self, hash_: str, text: str) -> None:
        if not hmac.compare_digest(hash_.upper().encode(errors="surrogatepass"), self._hash(text).encode()):
            raise _forged()


def _forged() -> SRSError:
    return SRSError("This return address was not made here, or was changed on its way")


def _day(now: float) -> int:
    return int(now // _DAY) % _DAYS


def _stamp(now: float) -> str:
    high, low = divmod(_day(now), 32)
    return _DIGITS[high] + _DIGITS[low]


def _day_of(stamp: str) -> int:
    return _DIGITS.index(stamp[0].upper()) * 32 + _DIGITS.index(stamp[1].upper())


def _domain(text: str) -> str:
    """As `Address` has it; *text* is our own, in whatever case it came back."""
    try:
        return parse_address_literal(text) if text.startswith("[") else parse_domain(text)
    except AddressError as error:
        raise _forged() from error
