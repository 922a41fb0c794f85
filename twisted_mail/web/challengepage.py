"""The files that an ACME authority looks for (challenges.py), each at its place."""

from __future__ import annotations

from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.challenges import Challenges
from twisted_mail.web.pages import Answer, words

PATH = "/.well-known/acme-challenge/"
"""RFC 8555 §8.3."""


class ChallengePage:
    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges

    async def show(self, request: WebRequest) -> Answer:
        """GET of PATH and a token."""
        token = b"/".join(request.postpath or ()).decode("ascii", "replace")
        found = self._challenges.file(token)
        return Answer(found, "application/octet-stream") if found else words(404, "No such challenge.")
