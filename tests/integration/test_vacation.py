"""Somebody is away, and who writes hears that once."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from pathlib import Path

from tests.integration.process import ServerProcess, User


def answers(server: ServerProcess, user: User) -> list[str]:
    found: list[Path] = server.stored(user)
    return [text for text in (file.read_text() for file in found) if "\nAuto-Submitted: auto-replied" in text]


def test_who_writes_to_somebody_who_is_away_is_answered_once(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=2)
    away, friend = server.new_user(), server.new_user()
    server.admin("account", "vacation", away.address, "--set", "-", stdin="I am at the sea.\n")
    server.start()

    def send(header: str) -> None:
        with smtplib.SMTP("127.0.0.1", server.ports.smtp, timeout=30) as client:
            client.sendmail(friend.address, [away.address], f"{header}Subject: dinner\r\n\r\nx\r\n")

    send("")  # not in To
    send(f"To: {away.address}\r\nList-Id: <list>\r\n")
    assert answers(server, friend) == []
    for _ in range(2):
        send(f"To: {away.address}\r\nMessage-ID: <1@else.example>\r\n")
    [answer] = answers(server, friend)
    assert answer.startswith("Return-Path: <>\n")
    assert "\nIn-Reply-To: <1@else.example>\n" in answer
    assert answer.endswith("\n\nI am at the sea.\n")
    assert len(server.stored(away)) == 4
    assert "at the sea" in server.admin("account", "vacation", away.address).stdout
    server.admin("account", "vacation", away.address, "--off")
    send(f"To: {away.address}\r\n")
    assert len(answers(server, friend)) == 1
