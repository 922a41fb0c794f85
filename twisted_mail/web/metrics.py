"""For programs that watch the server: `/metrics` for Prometheus, `/health` for a load balancer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from twisted_mail.exposition import CONTENT_TYPE
from twisted_mail.networks import Networks
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.pages import TEXT, Answer, words


@dataclass(frozen=True, slots=True)
class Watching:
    """Both pages."""

    allowed: Networks
    """Who may read the numbers, and why the server is not well."""
    metrics: Callable[[], Awaitable[str]]
    problems: Callable[[], Awaitable[Sequence[str]]]

    async def show_metrics(self, request: WebRequest) -> Answer:
        if request.client_host not in self.allowed:
            return words(403, "The numbers are not for this address; [metrics] allowed says for which they are.")
        return Answer((await self.metrics()).encode(), CONTENT_TYPE)

    async def show_health(self, request: WebRequest) -> Answer:
        """200 where the server can do its work, else 503."""
        problems = await self.problems()
        if not problems:
            return Answer(b"ok\n", TEXT, headers={"Cache-Control": "no-store"})
        shown = problems if request.client_host in self.allowed else ["not well"]
        return Answer("".join(f"{line}\n" for line in shown).encode(), TEXT, 503, {"Cache-Control": "no-store"})
