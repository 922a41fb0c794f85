"""Mail of suspicious strangers on a real server: points that add up, who has to come again, and what that leaves."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.test_explain import told
from tests.integration.test_junk import junk_of
from tests.integration.test_metrics import start, until
from tests.integration.wire import Wire, fetch
from tests.integration.zones import Records, Zones
from twisted_mail.message.header import header_size
from twisted_mail.policy.reputation import Reputation
from twisted_mail.smtp.address import parse_address

NewServer = Callable[..., ServerProcess]
RECORDS: Records = {
    "mail.example.org": {"A": ["203.0.113.1"]},
    "forged.example": {"TXT": ["v=spf1 -all"]},
    "honest.example": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]},
    "mx.honest.example": {"A": ["127.0.0.1"]},
}
"""The client at 127.0.0.1 has no name."""
SETTINGS = """[checks]
trusted = []
[limits]
greeting_delay = "1 second"
early_talkers = "suspect"
[junk]
greylist_delay = "1 second"
"""
"""Who comes again has been silent for so long that it may pass."""


@pytest.fixture
def zones() -> Iterator[Zones]:
    with Zones(RECORDS) as running:
        yield running


def offer(server: ServerProcess, to: User, sender: str, hello: str, *, early: bool = False) -> str:
    """The answer to the end of a message."""
    with Wire(server.ports.smtp) as wire:
        if early:
            wire.send(f"EHLO {hello}\r\n".encode())
            assert wire.reply().startswith("220 ")
            assert wire.reply().startswith("250-")
        else:
            assert wire.reply().startswith("220 ")
            assert wire.say(f"EHLO {hello}").startswith("250-")
        assert wire.say(f"MAIL FROM:<{sender}>").startswith("250 ")
        assert wire.say(f"RCPT TO:<{to.address}>").startswith("250 ")
        assert wire.say("DATA").startswith("354 ")
        wire.send(f"From: <{sender}>\r\nMessage-ID: <{sender}>\r\n\r\nHello\r\n.\r\n".encode())
        return wire.reply()


STORY = (
    "Message ",
    r"checked: .* 8 points \(\+2\.5 127\.0\.0\.1 spoke .*\), greylist, came for the first time; may pass in 1 s; ",
    r"refused to PC-17 \[127\.0\.0\.1\] at DATA, from <x@forged\.example> for .*: 451 4\.7\.1 ",
    "Message ",
    r"checked: .* 8 points \(\+2\.5 127\.0\.0\.1 spoke .*\), junk, came back after \d+ s; ",
    "on disk in the mailbox of .*, as junk, ",
    r"taken over smtp from PC-17 \[127\.0\.0\.1\]: from <x@forged\.example> ",
)
"""What `mailserver explain` tells of the message that had to come again."""


def test_early_talker_has_to_come_again_and_its_mail_is_junk_with_all_reasons(
    new_server: NewServer, zones: Zones
) -> None:
    server, port = start(new_server, zones.settings + SETTINGS)
    user = server.new_user()
    first = offer(server, user, "x@forged.example", "PC-17", early=True)
    assert first.startswith("451-4.7.1 This server does not know you yet: try again in a minute, as mail servers do")
    assert fetch(server, user) == junk_of(server, user) == []
    assert offer(server, user, "x@forged.example", "PC-17", early=True).startswith("250 ")
    (junk,) = junk_of(server, user)
    assert (
        b"\nX-Junk: yes (8 of 5);\n +2.5 127.0.0.1 spoke before it was greeted;\n +1.5 127.0.0.1 has no name in DNS;\n"
        b" +1.5 calls itself PC-17, which is not the name of a server;\n"
        b" +2 127.0.0.1 may not send for forged.example (SPF);\n +0.5 has no date\n"
    ) in junk
    story = told(server, "<x@forged.example>", until="as junk")
    told_lines = [line for line in story if line and not line.startswith((" ", "what was said", "It does not ask"))]
    assert len(told_lines) >= len(STORY)
    assert [(wanted, line) for wanted, line in zip(STORY, told_lines, strict=False) if not re.match(wanted, line)] == []
    found = until(port, 'mailserver_checked_total{action="junk"}', 1)
    assert found['mailserver_checked_total{action="greylist"}'] == 1


def test_sender_that_users_call_good_need_not_come_again(new_server: NewServer, zones: Zones) -> None:
    server = new_server(zones.settings + SETTINGS.replace("1 second", "10 minutes", 2).replace("10 minutes", "off", 1))
    server.create_accounts(1)
    server.start()
    user = server.new_user()
    assert offer(server, user, "a@honest.example", "mx.honest.example").startswith("250 ")
    assert offer(server, user, "a@unknown.example", "PC-17").startswith("451-4.7.1 ")
    (message,) = fetch(server, user)
    assert b"X-Junk: no (2 of 5);\r\n +1.5 127.0.0.1 has no name in DNS;\r\n +0.5 has no date\r\n" in message.octets
    server.stop()
    text = message.octets.replace(b"\r\n", b"\n")
    reputation = Reputation(str(server.maildirs / ".server" / "reputation.sqlite"), "mail.example.org", time.time)
    reputation.learn(parse_address(user.address), text[: header_size(text)], False)
    reputation.close()
    server.start()
    assert offer(server, user, "a@unknown.example", "PC-17").startswith("250 ")
    (_, second) = fetch(server, user)
    assert b"\r\n -0.5 a user has called mail from 127.0.0.0/24 good\r\n" in second.octets
