"""Certificates of the real process: several names, renewed ones, and those of users."""

from __future__ import annotations

import base64
import os
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import Issuer, serial_number
from tests.integration.process import DOMAIN, PASSWORD, ServerProcess
from tests.integration.wire import PATIENCE, Wire
from twisted_mail.protocols.tls import Identity

ISSUER = Issuer()


def write(folder: Path, identity: Identity) -> int:
    """As an ACME client does; the serial number."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "privkey.pem").write_bytes(identity.key)
    (folder / "fullchain.pem").write_bytes(identity.certificate)
    return serial_number(identity)


def shown(port: int, name: str) -> int:
    """The serial number of the certificate that a client sees who asks for *name*."""
    context = ISSUER.client_context()
    context.check_hostname = False
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        certificate = secured.getpeercert()
        assert certificate is not None
        return int(str(certificate["serialNumber"]), 16)


@pytest.mark.parametrize("workers", [1, 2])
def test_renewed_certificates_are_used_on_sighup_and_open_connections_go_on(
    new_server: Callable[..., ServerProcess], workers: int
) -> None:
    server = new_server()
    server.configure('[tls]\ncertificate = "tls/fullchain.pem"\nkey = "tls/privkey.pem"\nnames = "names"\n')
    server.config.write_text(f"workers = {workers}\n{server.config.read_text()}")
    old = write(server.folder / "tls", ISSUER.identity("localhost"))
    other = write(server.folder / "names" / "other", ISSUER.identity("mail.example.net"))
    server.start()
    assert (shown(server.ports.pop3s, "localhost"), shown(server.ports.pop3s, "mail.example.net")) == (old, other)
    with Wire(server.ports.pop3s, ISSUER.client_context()) as wire:
        assert wire.reply().startswith("+OK")
        new = write(server.folder / "tls", ISSUER.identity("localhost"))
        newer = write(server.folder / "names" / "new", ISSUER.identity("new.example.net"))
        os.kill(server.pid, signal.SIGHUP)
        while server.log_text().count("certificates loaded") < workers:
            assert server.is_running
        assert (shown(server.ports.pop3s, "localhost"), shown(server.ports.pop3s, "new.example.net")) == (new, newer)
        assert wire.say("CAPA").startswith("+OK")
        wire.multiline()
        assert wire.say("QUIT").startswith("+OK")


def test_a_user_logs_in_with_a_certificate_and_as_nobody_else(
    new_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    users = Issuer("Authority of users")
    server = new_server()
    server.configure(
        '[tls]\ncertificate = "tls/fullchain.pem"\nkey = "tls/privkey.pem"\nclient_authority = "users.pem"\n'
    )
    (server.folder / "users.pem").write_bytes(users.pem)
    server.admin("domain", "add", DOMAIN)
    for name in ("alice", "bob"):
        server.admin("account", "add", f"{name}@{DOMAIN}", "--password-stdin", stdin=PASSWORD)
    server.start()
    identity = users.identity(addresses=(f"alice@{DOMAIN}",))
    certificate = tmp_path / "alice.pem"
    certificate.write_bytes(identity.certificate + identity.key)
    alice, stranger = server.tls, server.tls
    alice.load_cert_chain(certificate)

    def pop3(tls: ssl.SSLContext, who: str) -> str:
        with Wire(server.ports.pop3s, tls) as wire:
            wire.reply()
            wire.say("CAPA")
            assert b" EXTERNAL\r\n" in wire.multiline()
            return wire.say(f"AUTH EXTERNAL {base64.b64encode(who.encode()).decode() or '='}")

    assert pop3(alice, "").startswith("+OK")
    assert pop3(alice, f"alice@{DOMAIN}").startswith("+OK")
    for tls, who in ((alice, f"bob@{DOMAIN}"), (stranger, ""), (stranger, f"alice@{DOMAIN}")):
        assert pop3(tls, who).startswith("-ERR [AUTH] ")
    with Wire(server.ports.submission) as wire:
        wire.reply()
        assert "EXTERNAL" not in wire.say("EHLO client.example")
        wire.say("STARTTLS")
        wire.start_tls(alice)
        assert "EXTERNAL" in wire.say("EHLO client.example")
        assert wire.say("AUTH EXTERNAL =").startswith("235 ")
        assert wire.say(f"MAIL FROM:<bob@{DOMAIN}>").startswith("553 5.7.1 ")
        assert wire.say(f"MAIL FROM:<alice@{DOMAIN}>").startswith("250 ")
