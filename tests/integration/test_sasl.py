"""Logging in other than with the bare password: SCRAM, channel binding and app passwords, on real sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import scramp
from OpenSSL import SSL

from tests.integration.process import DOMAIN, PASSWORD, ServerProcess, User
from tests.integration.requirements import require_program
from tests.integration.terminal import Terminal
from tests.integration.wire import Wire, base64_of, send_exactly

ALICE = User(f"alice@{DOMAIN}")
MECHANISMS = '[auth]\nmechanisms = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]\n'


@pytest.fixture(scope="module")
def server(authority: object) -> Iterator[ServerProcess]:
    """One whose accounts have verifiers."""
    server = ServerProcess(authority)  # type: ignore[arg-type]  # the fixture's type is the session's
    try:
        server.configure(MECHANISMS)
        server.admin("domain", "add", DOMAIN)
        server.admin("account", "add", ALICE.address, "--password-stdin", stdin=f"{PASSWORD}\n")
        server.start()
        yield server
        server.stop()
    finally:
        server.close()


class Client:
    """The AUTH exchange of SMTP or POP3, line by line."""

    def __init__(self, protocol: str, wire: Wire) -> None:
        self._wire = wire
        self._prefix = {"smtp": "334 ", "pop3": "+ "}[protocol]
        wire.reply()
        if protocol == "smtp":
            wire.say("EHLO client.example")

    def log_in(self, scram: scramp.ScramClient) -> str:
        """The last reply.  Raises ScramException where the server's proof is not good."""
        first = self._said(f"AUTH {scram.mechanism_name} {base64_of(scram.get_client_first())}")
        scram.set_server_first(first)
        answer = self._wire.say(base64_of(scram.get_client_final()))
        if not answer.startswith(self._prefix):
            return answer
        scram.set_server_final(base64.b64decode(answer.removeprefix(self._prefix)).decode())
        return self._wire.say("")

    def _said(self, line: str) -> str:
        answer = self._wire.say(line)
        assert answer.startswith(self._prefix), answer
        return base64.b64decode(answer.removeprefix(self._prefix)).decode()


def scram(user: str, password: str, binding: tuple[str, bytes] | None = None) -> scramp.ScramClient:
    name = "SCRAM-SHA-256" if binding is None else "SCRAM-SHA-256-PLUS"
    return scramp.ScramClient([name], user, password, channel_binding=binding)


WELCOME = {"smtp": "235 2.7.0 ", "pop3": "+OK "}
WRONG = {"smtp": "535 5.7.8 ", "pop3": "-ERR [AUTH] "}
PORTS = {"smtp": "submissions", "pop3": "pop3s"}


@pytest.fixture(params=["smtp", "pop3"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connect(server: ServerProcess, protocol: str) -> Iterator[Callable[[], Wire]]:
    """New connections over TLS."""
    wires = []

    def wire() -> Wire:
        wires.append(Wire(getattr(server.ports, PORTS[protocol]), server.tls))
        return wires[-1]

    yield wire
    for each in wires:
        each.drop()
    server.assert_log_is_clean()


def test_right_password_logs_in_and_a_wrong_one_looks_like_an_unknown_user(
    connect: Callable[[], Wire], protocol: str
) -> None:
    answers = [
        Client(protocol, connect()).log_in(scram(user, password))
        for user, password in ((ALICE.address, PASSWORD), (ALICE.address, "guess"), (f"nobody@{DOMAIN}", "guess"))
    ]
    assert answers[0].startswith(WELCOME[protocol])
    assert answers[1].startswith(WRONG[protocol])
    assert answers[1] == answers[2]


def test_channel_binding_to_the_certificate_is_checked(
    server: ServerProcess, connect: Callable[[], Wire], protocol: str
) -> None:
    certificate = ssl.PEM_cert_to_DER_cert((server.folder / "tls" / "fullchain.pem").read_text())
    for spoil, expected in ((b"", WELCOME[protocol]), (b"x", WRONG[protocol].replace("[AUTH] ", ""))):
        binding = ("tls-server-end-point", hashlib.sha256(certificate).digest() + spoil)
        assert Client(protocol, connect()).log_in(scram(ALICE.address, PASSWORD, binding)).startswith(expected)


def test_channel_binding_to_the_connection_is_checked(server: ServerProcess) -> None:
    """With OpenSSL as the client, which gives the secret of the connection, as Python's ssl does not."""
    for spoil in (b"", b"x"):
        connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), socket.socket())
        connection.connect(("127.0.0.1", server.ports.pop3s))
        connection.set_connect_state()
        connection.do_handshake()
        try:
            answer = exporter_login(connection, spoil)
        finally:
            connection.close()
        assert answer.startswith(b"-ERR The channel binding" if spoil else b"+OK Logged in")


def exporter_login(connection: SSL.Connection, spoil: bytes) -> bytes:
    """scramp does not have tls-exporter: it speaks of another type, and its words are changed."""
    binding = connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"") + spoil
    user, nonce = ALICE.address, "clientnonce"
    header, bare = "p=tls-exporter,,", f"n={user},r={nonce}"

    def say(line: str) -> bytes:
        connection.sendall(line.encode() + b"\r\n")
        return connection.recv(4096)

    connection.recv(4096)
    first = base64.b64decode(say(f"AUTH SCRAM-SHA-256-PLUS {base64_of(header + bare)}").removeprefix(b"+ ")).decode()
    fields = dict(part.split("=", 1) for part in first.split(","))
    unproven = f"c={base64.b64encode(header.encode() + binding).decode()},r={fields['r']}"
    message = f"{bare},{first},{unproven}".encode()
    salt = base64.b64decode(fields["s"])
    key = hmac_of(hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, int(fields["i"])), b"Client Key")
    signature = hmac_of(hashlib.sha256(key).digest(), message)
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    answer = say(base64_of(f"{unproven},p={base64.b64encode(proof).decode()}"))
    return say("") if answer.startswith(b"+ ") else answer


def hmac_of(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def test_app_password_logs_in_by_each_mechanism_for_its_purpose_until_it_is_removed(
    server: ServerProcess, connect: Callable[[], Wire], protocol: str
) -> None:
    password = server.admin("account", "app-password", "add", ALICE.address, protocol, "--for", protocol).stdout.strip()
    other = {"smtp": "pop3", "pop3": "smtp"}[protocol]
    plain = base64_of(f"\0{ALICE.address}\0{password}")

    def answers() -> list[str]:
        wire = connect()
        return [Client(protocol, connect()).log_in(scram(ALICE.address, password)), said_plain(wire)]

    def said_plain(wire: Wire) -> str:
        Client(protocol, wire)
        return wire.say(f"AUTH PLAIN {plain}")

    assert all(answer.startswith(WELCOME[protocol]) for answer in answers())
    with Wire(getattr(server.ports, PORTS[other]), server.tls) as wire:
        Client(other, wire)
        assert wire.say(f"AUTH PLAIN {plain}").startswith(WRONG[other])
    server.admin("account", "app-password", "remove", ALICE.address, protocol)
    assert all(answer.startswith(WRONG[protocol]) for answer in answers())


def test_scram_is_offered_by_itself_once_every_account_can_use_it(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=1)
    server.start()
    user = server.new_user()

    def offered() -> bytes:
        with Wire(server.ports.pop3s, server.tls) as wire:
            wire.reply()
            wire.say("CAPA")
            return wire.multiline()

    assert b"\r\nSASL PLAIN LOGIN\r\n" in offered()
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        assert wire.say(f"AUTH PLAIN {base64_of(f'{chr(0)}{user.address}{chr(0)}{user.password}')}").startswith("+OK")
    end = time.monotonic() + 10  # the verifier is made once the login has been answered
    while b"\r\nSASL SCRAM-SHA-256 PLAIN LOGIN\r\n" not in (found := offered()):
        assert time.monotonic() < end, found
        time.sleep(0.1)


def test_mutt_fetches_by_scram(server: ServerProcess, tmp_path: Path) -> None:
    mutt = require_program("mutt")
    send_exactly(server, b"Subject: for mutt\r\n\r\nbody\r\n", ALICE)
    copy = tmp_path / "copy"
    url = f"pops://{ALICE.address.replace('@', '%40')}@localhost:{server.ports.pop3s}/"
    settings = tmp_path / "muttrc"
    settings.write_text(
        f'set folder="{tmp_path}" tmpdir="{tmp_path}" pop_pass="{PASSWORD}" pop_authenticators="scram-sha-256"\n'
        f'set certificate_file="{server.authority.file}" ssl_ca_certificates_file="{server.authority.file}"\n'
        "set confirmappend=no confirmcreate=no copy=no wait_key=no delete=no mbox_type=mbox beep=no\n"
        f'push "<copy-message>{copy}<enter><exit>"\n'
    )
    environment = {"TERM": "xterm", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    screen = Terminal.run([mutt, "-n", "-F", str(settings), "-f", url], environment)
    assert "SCRAM-SHA-256" in screen
    assert b"Subject: for mutt\n" in copy.read_bytes()


def test_without_scram_no_verifier_is_kept(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server()
    server.admin("domain", "add", DOMAIN)
    server.admin("account", "add", ALICE.address, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert verifiers(server)[ALICE.address]
    server.configure('[auth]\nmechanisms = ["PLAIN"]\n')
    server.admin("account", "add", f"bob@{DOMAIN}", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert not verifiers(server)[f"bob@{DOMAIN}"]
    server.start()
    for password, answer in (("guess", "-ERR"), (PASSWORD, "+OK")):
        with Wire(server.ports.pop3s, server.tls) as wire:
            wire.reply()
            wire.say(f"USER {ALICE.address}")
            assert wire.say(f"PASS {password}").startswith(answer)
    end = time.monotonic() + 10
    while verifiers(server)[ALICE.address]:
        assert time.monotonic() < end
        time.sleep(0.05)


def verifiers(server: ServerProcess) -> dict[str, str]:
    """What the directory keeps for SCRAM, by account."""
    with closing(sqlite3.connect(server.maildirs / ".server" / "directory.sqlite")) as connection:
        return dict(connection.execute("SELECT local_part || '@' || domain, verifier FROM account"))
