"""The server gets its certificate from a real ACME authority, in both ways, and mail goes on where it gets none."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from tests.integration.certificate import Authority
from tests.integration.pebble import Pebble
from tests.integration.process import ServerProcess, free_port
from twisted_mail.owncertificate import AUTHORITY

COMES_WITHIN = 60.0
"""Seconds."""
NAMES = ("mail.example.org", "autoconfig.example.org")


@dataclass(frozen=True, slots=True)
class Place:
    """A server that is not started yet, and the authority that looks at its ports."""

    server: ServerProcess
    pebble: Pebble
    settings: str

    def serve(self, *services: str) -> None:
        """With these web services only."""
        self.server.web_ports = {name: port for name, port in self.server.web_ports.items() if name in services}
        self.server.configure(self.settings)
        self.server.start()


@pytest.fixture
def place(new_server: Callable[..., ServerProcess], authority: Authority, tmp_path: Path) -> Iterator[Place]:
    server = new_server()
    server.web_ports = {"web": free_port(), "https": free_port()}
    pebble = Pebble(tmp_path, authority, http=server.web_ports["web"], tls=server.web_ports["https"])
    settings = f"""[tls]
acme = "{pebble.directory}"
acme_contact = "postmaster@example.org"
acme_names = ["autoconfig.example.org"]
acme_authority = "{authority.file}"
"""
    try:
        yield Place(server, pebble, settings)
    finally:
        pebble.close()


def certificate_of(port: int, name: str = "mail.example.org") -> x509.Certificate:
    """Whatever it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        octets = connection.getpeercert(binary_form=True)
    assert octets is not None
    return x509.load_der_x509_certificate(octets)


def wait_for(server: ServerProcess, words: str) -> None:
    deadline = time.monotonic() + COMES_WITHIN
    while words not in server.log_text():
        assert time.monotonic() < deadline, server.log_text()
        time.sleep(0.1)


@pytest.mark.parametrize("way", ["web", "https"])
def test_a_certificate_comes_and_serves_at_once_and_after_a_restart(place: Place, way: str) -> None:
    server = place.server
    place.serve(way)
    wait_for(server, "a new certificate for")
    wait_for(server, "certificates loaded")
    trusting = place.pebble.client_context()
    for name in NAMES:
        with (
            socket.create_connection(("127.0.0.1", server.ports.pop3s), timeout=20) as plain,
            trusting.wrap_socket(plain, server_hostname=name) as connection,
        ):
            assert connection.recv(100).startswith(b"+OK")
    served = certificate_of(server.ports.submissions)
    server.stop()
    server.start()
    assert certificate_of(server.ports.submissions) == served
    server.stop()
    assert server.log_text().count("asking https://") == 1
    secret = [*server.maildirs.glob(".server/tls/acme/*"), *server.maildirs.glob(".server/keys/*")]
    assert len(secret) == 4
    assert {path.stat().st_mode & 0o077 for path in secret} == {0}


def test_for_another_name_another_certificate_comes_for_the_same_key(place: Place) -> None:
    server = place.server
    place.serve("web")
    wait_for(server, "certificates loaded")
    first = certificate_of(server.ports.pop3s)
    server.stop()
    server.forgive_log()
    server.configure(place.settings.replace("autoconfig.", "mta-sts."))
    server.start()
    deadline = time.monotonic() + COMES_WITHIN
    while (second := certificate_of(server.ports.pop3s)) == first:
        assert time.monotonic() < deadline, server.log_text()
        time.sleep(0.1)
    names = second.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"mail.example.org", "mta-sts.example.org"}
    assert second.public_key() == first.public_key()
    server.stop()


def test_while_no_certificate_comes_mail_goes_on_with_one_of_our_own(place: Place) -> None:
    place.pebble.close()
    place.serve("web")
    wait_for(place.server, "no new certificate: ")
    assert "next attempt in 1 minutes" in place.server.log_text()
    issuer = certificate_of(place.server.ports.pop3s).issuer.rfc4514_string()
    assert f"CN={AUTHORITY}" in issuer
    place.server.stop()


def test_a_name_that_does_not_lead_here_is_told(place: Place) -> None:
    web = place.server.web_ports.pop("web")
    place.server.web_ports["web"] = free_port()  # the authority still looks at the old one
    place.serve("web")
    wait_for(place.server, "no new certificate: by http-01: ")
    assert str(web) in place.server.log_text()
    assert "mail.example.org" in place.server.log_text().partition("no new certificate")[2]
    place.server.stop()
