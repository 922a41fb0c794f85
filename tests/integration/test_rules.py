"""Rules of an account on a real server: folders over POP3, forwards here and to another server, and what is told."""

from __future__ import annotations

import json
import poplib
import re
import smtplib
from collections.abc import Callable

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.test_explain import told
from tests.integration.test_forwarding import here, mail_of, return_path, there, wait_until_nothing_is_queued
from tests.integration.test_outgoing import CAROL, wait_for_mail
from tests.integration.wire import mail_in

__all__ = ["here", "there"]  # fixtures

RULES = """
[[rule]]
name = "shop"
when = { envelope = "to", part = "detail", is = "shop" }
folder = "Shops.All"
mark = "seen"
stop = true

[[rule]]
name = "both"
when = { header = "Subject", matches = "copi*" }
forward = "SECOND"
copy = true

[[rule]]
name = "elsewhere"
when = { header = "Subject", is = "away" }
forward = "carol@elsewhere.example"

[[rule]]
name = "unwanted"
when = { address = "From", part = "domain", is = "noise.example" }
discard = true

[[rule]]
name = "question"
when = { header = "Subject", is = "question" }
reply = "Soon."
"""
SENDER = "dave@elsewhere.example"


def send(server: ServerProcess, subject: str, *to: str, author: str = SENDER) -> None:
    header = f"From: {author}\r\nTo: {to[0]}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x.example>\r\n"
    with smtplib.SMTP("127.0.0.1", server.ports.smtp, timeout=30) as client:
        client.sendmail(SENDER, list(to), f"{header}\r\nHello.\r\n")


def subjects(server: ServerProcess, user: User, view: str = "") -> list[str]:
    return [re.search(rb"^Subject: (\S+)", text, re.M)[1].decode() for text in mail_in(server, user, view)]  # type: ignore[index]


def explained(server: ServerProcess, message_id: str, until: str) -> str:
    """What became of a message, once *until* is told: the journal is a second behind."""
    return "\n".join(told(server, message_id, until=until))


def test_rules_sort_copy_forward_discard_and_answer(here: ServerProcess, there: ServerProcess) -> None:
    alice, second = here.new_user(), here.new_user()
    rules = RULES.replace("SECOND", second.address)
    assert "rules: 5," in here.admin("account", "rules", alice.address, "--set", "-", stdin=rules).stdout
    assert subjects(here, alice, "%.Shops.All") == []

    send(here, "order", alice.address.replace("@", "+shop@"))
    send(here, "copied", alice.address)
    send(here, "away", alice.address)
    send(here, "noise", alice.address, second.address, author="x@noise.example")
    for _ in range(2):
        send(here, "question", alice.address)

    assert subjects(here, alice) == ["copied", "question", "question"]
    assert subjects(here, second) == ["copied", "noise"]
    octets = mail_in(here, second, "")[0]
    assert octets.startswith(f"Return-Path: <{SENDER}>\nDelivered-To: {alice.address}\n".encode())
    octets = wait_for_mail(there, CAROL)
    assert return_path(octets).startswith("SRS0=")
    assert f"\r\nDelivered-To: {alice.address}\r\n".encode() in octets
    wait_until_nothing_is_queued(here, there)
    [answer] = mail_of(there, User(SENDER))
    assert return_path(answer) == ""
    assert b"\r\nSoon.\r\n" in answer

    # a folder is a maildrop of its own, whose mail can be brought back
    assert len(mail_in(here, alice, "%.Shops.All", delete=True)) == 1
    assert subjects(here, alice, "%.Shops.All") == []
    [row] = json.loads(here.admin("account", "restore", alice.address, "--json").stdout)
    assert row["view"] == ".Shops.All"
    here.admin("account", "restore", alice.address, "--session", row["session"])
    assert subjects(here, alice, "%.Shops.All") == ["order"]
    with pytest.raises(poplib.error_proto, match="no folder of that name"):
        mail_in(here, alice, "%.shops")

    story = explained(here, "<noise@x.example>", f"by the rules of {alice.address} (unwanted): thrown away")
    assert f"on disk in the mailbox of {second.address}" in story
    explained(here, "<order@x.example>", "(shop): put into Shops.All")


def test_rules_that_cannot_be_followed_keep_the_mail(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server("[relay]\nenabled = false\n", accounts=1)
    user = server.new_user()
    forward = '[[rule]]\nforward = "carol@elsewhere.example"\n'
    server.admin("account", "rules", user.address, "--set", "-", stdin=forward)
    server.start()
    send(server, "kept", user.address)
    explained(server, "<kept@x.example>", "does not send mail to other domains")
    server.maildir(user).joinpath("twisted-mail.rules").write_text("[[rule]]\nfoldre = 5\n")
    send(server, "broken", user.address)
    explained(server, "<broken@x.example>", "it was kept: line 2, rule 1, foldre: unknown key")
    server.admin("account", "rules", user.address, "--off")
    send(server, "plain", user.address)
    assert subjects(server, user) == ["kept", "broken", "plain"]
