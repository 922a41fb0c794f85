"""What our domains say of the TLS with which their mail shall come (RFC 8461 §3.3), for other servers.

Asked at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`: the host name says which domain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.pages import TEXT, Answer, words

PATH = "/.well-known/mta-sts.txt"
_HOST = "mta-sts."


@dataclass(frozen=True, slots=True)
class PolicyPage:
    policy: Callable[[str], bytes | None]
    """The text of a domain's policy (lower-case A-labels); None: it has none here."""

    async def show(self, request: WebRequest) -> Answer:
        host = request.getRequestHostname().decode("ascii", "replace").lower().rstrip(".")
        text = self.policy(host.removeprefix(_HOST)) if host.startswith(_HOST) else None
        return words(404, "There is no MTA-STS policy for that name.") if text is None else Answer(text, TEXT)
