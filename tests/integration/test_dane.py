"""DANE between two servers of ours, with a signed zone at BIND and an Unbound that checks its signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.integration.certificate import Authority
from tests.integration.privatenet import private_network
from tests.integration.process import ServerProcess
from tests.integration.signedzone import SignedZone
from tests.integration.test_mtasts import DOMAIN, HOST, THERE, explained, serve, waiting
from tests.integration.test_outgoing import CAROL, send, wait_for_mail

RECORDS = ["@ MX 10 mx", f"mx A {THERE}"]

NewServer = Callable[..., ServerProcess]
NewZone = Callable[..., SignedZone]


@pytest.fixture
def network() -> Iterator[None]:
    with private_network([THERE]):
        yield


@pytest.fixture
def there(network: None, new_server: NewServer, authority: Authority) -> ServerProcess:
    """The server of another domain at its MX, whose certificate is for other names."""
    server = new_server()
    serve(server)
    return server


@pytest.fixture
def new_zone(network: None, tmp_path: Path) -> Iterator[NewZone]:
    with ExitStack() as stack:

        def make(*records: str, spoilt: tuple[str, str] | None = None) -> SignedZone:
            return stack.enter_context(SignedZone(DOMAIN, [*RECORDS, *records], tmp_path, spoilt))

        yield make


def key_digest(certificate: Path) -> str:
    """For `1 1`: SHA-256 of the public key."""
    found = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    key = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


def sent_by(new_server: NewServer, zone: SignedZone) -> ServerProcess:
    """A server that has sent a message to CAROL; it does not trust the test's authority."""
    here = new_server(f'{zone.settings}\n[relay]\nretry = ["1 second"]\n', accounts=1)
    here.start()
    send(here, here.new_user(), CAROL.address)
    return here


def test_certificate_that_dns_names_will_do_whatever_its_names(
    there: ServerProcess, new_zone: NewZone, new_server: NewServer
) -> None:
    zone = new_zone(f"_25._tcp.mx TLSA 3 1 1 {key_digest(there.folder / 'tls' / 'fullchain.pem')}")
    there.start()
    here = sent_by(new_server, zone)
    assert b"with ESMTPS" in wait_for_mail(there, CAROL)
    assert f"TLS: DANE of {HOST}" in explained(here)


def test_other_certificate_gets_nothing(there: ServerProcess, new_zone: NewZone, new_server: NewServer) -> None:
    zone = new_zone(f"_25._tcp.mx TLSA 3 1 1 {'0' * 64}")
    there.start()
    said = waiting(sent_by(new_server, zone), "4.7.5")
    assert f"No secure connection to {HOST}, which DANE of {HOST} asks for: its certificate is none of those" in said


def test_authority_that_dns_names_is_trusted_for_the_right_name_only(
    there: ServerProcess, new_zone: NewZone, new_server: NewServer
) -> None:
    chain = there.folder / "tls" / "fullchain.pem"
    zone = new_zone(f"_25._tcp.mx TLSA 2 1 1 {key_digest(there.authority.file)}")
    chain.write_bytes(chain.read_bytes() + there.authority.file.read_bytes())
    there.start()
    here = sent_by(new_server, zone)
    assert f"its certificate is not for {HOST}" in waiting(here, "4.7.5")
    there.stop()
    there.authority.issue(there.folder / "tls", HOST)
    chain.write_bytes(chain.read_bytes() + there.authority.file.read_bytes())
    there.start()
    wait_for_mail(there, CAROL)


def test_wrong_signature_gets_nothing(there: ServerProcess, new_zone: NewZone, new_server: NewServer) -> None:
    digest = key_digest(there.folder / "tls" / "fullchain.pem").upper()
    zone = new_zone(f"_25._tcp.mx TLSA 3 1 1 {digest}", spoilt=("TLSA\t3 1 1", "TLSA\t3 0 1"))
    there.start()
    assert "SERVFAIL" in waiting(sent_by(new_server, zone), "DNSSEC")


def test_domain_without_tlsa_is_as_before(there: ServerProcess, new_zone: NewZone, new_server: NewServer) -> None:
    there.start()
    here = sent_by(new_server, new_zone())
    assert b"with ESMTPS" in wait_for_mail(there, CAROL)
    assert "TLS:" not in explained(here)
