"""A letter for rules to look at."""

from __future__ import annotations

from twisted_mail.rules.letter import Letter
from twisted_mail.smtp.address import parse_address

HEADER = b"""From: "Bob, the builder" <Bob+Home@Else.example>
To: alice@example.org, Carol <carol@example.org>
Subject: =?utf-8?q?Your_inv?=
 =?utf-8?b?b2ljZQ==?= of May
X-Spaced:    a  b\t
List-Id: <news.else.example>

"""


def letter(
    header: bytes = HEADER,
    *,
    sender: str | None = "bounce@else.example",
    recipient: str = "Alice+Shop@example.org",
    size: int = 1000,
    junk: bool = False,
) -> Letter:
    return Letter(header, parse_address(sender) if sender else None, parse_address(recipient), size, junk)
