"""What stands at `/`: whose server this is."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.web.template import tags

from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.layout import document
from twisted_mail.web.pages import Answer


@dataclass(frozen=True, slots=True)
class StartPage:
    hostname: str

    async def show(self, request: WebRequest) -> Answer:
        return Answer(document(f"Mail server {self.hostname}", tags.p("This is a mail server. It is running.")))
