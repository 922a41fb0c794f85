"""OAUTHBEARER (RFC 7628) and XOAUTH2 (developers.google.com/workspace/gmail/imap/xoauth2-protocol): a token of OAuth 2.

The client sends the token at once.  If it is not good the server says so in a challenge, in JSON, and the client must
respond to that with as good as nothing before the exchange fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twisted_mail.sasl import Challenge, Exchange, Inquiry, ProvenCredentials, SASLError, Step, check_name, utf8

# gs2-header, then key=value pairs that end in 0x01, then one more 0x01 (RFC 7628 §3.1)
_PAIRS = r"(?P<pairs>(?:[A-Za-z]+=[^\x01]*\x01)*)\x01"
_OAUTHBEARER = re.compile(rf"(?P<flag>[ny]|p=[^,]*),(?:a=(?P<user>[^,]*))?,\x01{_PAIRS}")
_XOAUTH2 = re.compile(rf"user=(?P<user>[^\x01]*)\x01{_PAIRS}")
_AUTH = re.compile(r"Bearer +(?P<token>[A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_NAME = re.compile(r"=(2C|3D)")


@dataclass(frozen=True, slots=True)
class TokenOffered(Inquiry):
    """A token, and the user whom it should be for, empty where none is named.  Its answer is a `TokenVerdict`."""

    user: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """The answer."""

    account: str
    """Whose token it is, if it is good and the user's; else empty."""
    configuration: str = ""
    """The issuer's openid-configuration, which tells a client where to get another token."""


class Bearer(Exchange):
    """One run of either mechanism."""

    def __init__(self, pattern: re.Pattern[str], failure: Callable[[TokenVerdict], Mapping[str, str]]) -> None:
        self._pattern = pattern
        self._failure = failure
        self._user = ""
        self._failed = False

    def respond(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"")
        if self._failed:
            return ProvenCredentials(self._user, proven=False)
        match = self._pattern.fullmatch(utf8(response))
        if match is None:
            raise SASLError("That is not how a token is sent")
        if match.groupdict().get("flag", "").startswith("p"):
            raise SASLError("This mechanism has no channel binding")
        user = _NAME.sub(lambda escaped: {"2C": ",", "3D": "="}[escaped[1]], match["user"] or "")
        self._user = check_name(user) if user else ""
        return TokenOffered(self._user, _token(match["pairs"]))

    def inform(self, answer: object) -> Step:
        assert isinstance(answer, TokenVerdict)
        if answer.account:
            return ProvenCredentials(self._user or answer.account, proven=True)
        self._failed = True
        return Challenge(json.dumps(self._failure(answer)).encode())


def _token(pairs: str) -> str:
    for pair in pairs.split("\x01"):
        name, _, value = pair.partition("=")
        if name.lower() == "auth":
            if match := _AUTH.fullmatch(value):
                return match["token"]
            break
    raise SASLError("There is no bearer token in it")


def oauthbearer() -> Bearer:
    """A new exchange."""
    return Bearer(
        _OAUTHBEARER,
        lambda verdict: (
            {"status": "invalid_token"}
            | ({"openid-configuration": verdict.configuration} if verdict.configuration else {})
        ),
    )


def xoauth2() -> Bearer:
    """A new exchange."""
    return Bearer(_XOAUTH2, lambda verdict: {"status": "401", "schemes": "Bearer"})
