"""Milters asked by the real process: what they say is done, and what they leave unsaid is as the configuration says."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.milters import Milter, changing, closing, daemon, garbage, packet, silent
from tests.integration.process import ServerProcess
from tests.integration.requirements import require_program
from tests.integration.wire import fetch, send_exactly
from tests.policy.dkim.zones import keys, shown, zone_of

NewServer = Callable[..., ServerProcess]

LETTER = b"From: <ceo@bank.example>\r\nDate: Sat, 21 Nov 2026 05:40:00 +0000\r\nSubject: hello\r\n\r\nHello\r\n"
CONTINUE = packet(b"c")


def filtered(new_server: NewServer, endpoint: str, more: str = "") -> ServerProcess:
    server = new_server(f'[filters.other]\nkind = "milter"\nendpoint = "{endpoint}"\n{more}\n', accounts=2)
    server.start()
    return server


def test_changes_to_header_body_and_envelope_are_what_is_fetched(new_server: NewServer) -> None:
    field = struct.pack(">I", 1) + b"Subject\0changed\0"
    answers = (packet(b"m", field), packet(b"h", b"X-New\0yes\0"), packet(b"b", b"Another body\r\n"))
    more = packet(b"+", b"<user1@example.org>\0")
    with Milter(changing(*answers, more, CONTINUE)) as milter:
        server = filtered(new_server, milter.endpoint)
        first, second = server.new_user(), server.new_user()
        assert send_exactly(server, LETTER, first).startswith("250 ")
        for user in (first, second):
            (message,) = fetch(server, user)
            header, _, body = message.octets.partition(b"\r\n\r\n")
            assert b"\r\nSubject: changed" in header
            assert header.endswith(b"X-New: yes")
            assert body == b"Another body\r\n"
        server.stop()


def test_refusal_has_the_words_of_the_milter(new_server: NewServer) -> None:
    with Milter(changing(packet(b"y", b"554 5.7.1 we know that one\0"))) as milter:
        server = filtered(new_server, milter.endpoint)
        user = server.new_user()
        assert send_exactly(server, LETTER, user) == "554 5.7.1 we know that one"
        assert fetch(server, user) == []
        server.stop()


@pytest.mark.parametrize("misbehaving", [silent, garbage, closing, None])
@pytest.mark.parametrize("choice", ["accept", "tempfail"])
def test_milter_that_is_no_use_stops_mail_or_not_as_chosen(
    new_server: NewServer, misbehaving: Callable[[socket.socket], None] | None, choice: str
) -> None:
    with Milter(misbehaving or silent) as milter:
        endpoint = milter.endpoint if misbehaving else "unix:/nowhere/milter.sock"
        server = filtered(new_server, endpoint, f'on_failure = "{choice}"\ntimeout = "1 second"')
        user = server.new_user()
        if choice == "accept":
            assert send_exactly(server, LETTER, user).startswith("250 ")
        else:
            with pytest.raises(AssertionError):  # already MAIL is refused
                send_exactly(server, LETTER, user)
            assert "451 4.3.0 A filter of this server does not answer" in server.log_text()
        assert len(fetch(server, user)) == (choice == "accept")
        assert "the filter other failed: " in server.log_text()
        server.stop()


def opendkim_settings(folder: Path, mode: str) -> list[str]:
    key = keys("bank.example")[1]
    pem = key.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "key").write_bytes(pem)
    (folder / "published").write_text(
        "".join(f"{name} {texts[0].decode()}\n" for name, texts in zone_of("bank.example").records.items())
    )
    (folder / "ours").write_text("192.0.2.99\n" if mode == "v" else "127.0.0.1\n")  # mail of its own it only signs
    (folder / "conf").write_text(
        f"InternalHosts {folder}/ours\n"
        f"Mode {mode}\nDomain {key.domain}\nSelector {key.selector}\nKeyFile {folder}/key\nRequireSafeKeys no\n"
        f"TestPublicKeys {folder}/published\nTemporaryDirectory {folder}\nSocket local:{folder}/socket\n"
        "AlwaysAddARHeader yes\nAuthservID opendkim.example\nBackground no\nSyslog no\n"
    )
    return [require_program("opendkim"), "-f", "-x", str(folder / "conf"), "-P", str(folder / "pid")]


def test_opendkim_signs_and_another_verifies(new_server: NewServer, tmp_path: Path) -> None:
    signing, verifying = tmp_path / "s", tmp_path / "v"
    signing.mkdir()
    verifying.mkdir()
    with (
        daemon(opendkim_settings(signing, "s"), (signing / "socket").exists, tmp_path / "signing.log"),
        daemon(opendkim_settings(verifying, "v"), (verifying / "socket").exists, tmp_path / "verifying.log"),
    ):
        server = filtered(
            new_server,
            f"unix:{signing}/socket",
            f'[filters.second]\nkind = "milter"\nendpoint = "unix:{verifying}/socket"\n',
        )
        user = server.new_user()
        large = LETTER + b"x" * 70 + b"\r\n" + b"a line of a large message\r\n" * 20_000
        for text in (LETTER, large):
            assert send_exactly(server, text, user).startswith("250 ")
        for message in fetch(server, user):
            assert b"DKIM-Signature: v=1; a=rsa-sha256;" in message.octets
            assert b"Authentication-Results: opendkim.example;" in message.octets
            assert b"dkim=pass" in message.octets
            text = message.octets[message.octets.index(b"DKIM-Signature: ") :].replace(b"\r\n", b"\n")
            assert shown(text, zone_of("bank.example"), time.time()) == ["pass"]
        server.stop()
