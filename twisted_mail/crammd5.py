"""CRAM-MD5 (RFC 2195): the server must have the password itself.  Only for programs that can do nothing better."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from twisted_mail.sasl import Challenge, Exchange, Inquiry, ProvenCredentials, SASLError, Step, check_name, utf8


@dataclass(frozen=True, slots=True)
class ChallengeWanted(Inquiry):
    """A challenge that was never used before, as in `<1896.697170952@mail.example.org>`.  Its answer is a `str`."""


@dataclass(frozen=True, slots=True)
class PasswordWanted(Inquiry):
    """The password of *user*, who may not exist or not have it stored.  Its answer is a `StoredPassword`."""

    user: str


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """The answer; None: there is none, and no digest fits."""

    password: str | None = field(repr=False)


class CramMD5(Exchange):
    """One run.  The server speaks first; the response is the name, a space and a digest."""

    def __init__(self) -> None:
        self._challenge = ""
        self._user = ""
        self._digest = ""

    def respond(self, response: bytes | None) -> Step:
        if response is None:
            return ChallengeWanted()
        if not self._challenge:
            raise SASLError("CRAM-MD5 takes no initial response")
        user, _, self._digest = utf8(response).rpartition(" ")
        self._user = check_name(user)
        return PasswordWanted(self._user)

    def inform(self, answer: object) -> Step:
        if isinstance(answer, str):
            self._challenge = answer
            return Challenge(answer.encode())
        assert isinstance(answer, StoredPassword)
        key = (answer.password or "").encode()
        expected = hmac.new(key, self._challenge.encode(), "md5").hexdigest()
        fits = hmac.compare_digest(expected.encode(), self._digest.lower().encode())
        return ProvenCredentials(self._user, proven=fits and answer.password is not None)
