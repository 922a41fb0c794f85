"""Certificates in real handshakes, in memory: OpenSSL's library on the server's side, Python's on the client's."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl

from cryptography import x509
from OpenSSL import SSL
from twisted.trial.unittest import TestCase

from tests.certificates import Issuer, serial_number
from twisted_mail.protocols.tls import (
    CertificateError,
    Certificates,
    Identity,
    TLSMaterial,
    certified_addresses,
    channel_binding,
    tls_info,
)

ISSUER = Issuer()
MAIL = ISSUER.identity("mail.example.org", "smtp.example.org")
OTHER = ISSUER.identity("mail.example.net", "*.example.com")


class Handshake:
    """One connection between *context* and the server."""

    def __init__(
        self,
        certificates: Certificates,
        context: ssl.SSLContext,
        name: str = "mail.example.org",
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.server: SSL.Connection = certificates.serverConnectionForTLS(None)  # type: ignore[arg-type]  # not needed here
        self.server.set_accept_state()
        self._to_client, self._to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = context.wrap_bio(self._to_client, self._to_server, server_hostname=name, session=session)
        for _ in range(6):
            self._turn()
        self.client.do_handshake()  # raises where it is not complete

    def _turn(self) -> None:
        for step in (self.client.do_handshake, self.server.do_handshake):
            with contextlib.suppress(ssl.SSLWantReadError, SSL.WantReadError):
                step()
            self._exchange()
        with contextlib.suppress(ssl.SSLWantReadError):
            self.client.read(1)  # also tickets come this way

    def _exchange(self) -> None:
        if octets := self._to_server.read():
            self.server.bio_write(octets)
        try:
            while True:
                self._to_client.write(self.server.bio_read(65_536))
        except SSL.WantReadError:
            pass

    @property
    def shown(self) -> int:
        """The serial number of the certificate that the client saw."""
        der = self.client.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number


class CertificateTests(TestCase):
    def setUp(self) -> None:
        self.certificates = Certificates(TLSMaterial(MAIL, (OTHER,)))
        self.context = ISSUER.client_context()

    def connect(self, name: str = "mail.example.org", session: ssl.SSLSession | None = None) -> Handshake:
        return Handshake(self.certificates, self.context, name, session)

    def test_client_gets_the_certificate_of_the_name_it_asks_for(self) -> None:
        self.context.check_hostname = False
        for name, identity in (
            ("mail.example.org", MAIL),
            ("SMTP.example.org", MAIL),
            ("mail.example.net", OTHER),
            ("anything.example.com", OTHER),
            ("a.b.example.com", MAIL),
            ("example.com", MAIL),
            ("unknown.example", MAIL),
        ):
            self.assertEqual(serial_number(identity), self.connect(name).shown, name)

    def test_default_goes_before_another_certificate_of_the_same_name(self) -> None:
        self.certificates.load(TLSMaterial(MAIL, (ISSUER.identity("mail.example.org"),)))
        self.assertEqual(serial_number(MAIL), self.connect().shown)

    def test_old_versions_are_refused_and_both_new_ones_taken(self) -> None:
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            self.context = ISSUER.client_context()
            self.context.minimum_version = self.context.maximum_version = version
            info = tls_info(self.connect().server)
            assert info is not None
            self.assertEqual(name, info.version)
        self.context = ISSUER.client_context()
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.context.minimum_version = self.context.maximum_version = ssl.TLSVersion.TLSv1_1
        self.assertRaises((ssl.SSLError, SSL.Error), self.connect)

    def test_loaded_certificates_are_for_new_connections_and_open_ones_go_on(self) -> None:
        before = self.connect()
        renewed = ISSUER.identity("mail.example.org")
        self.certificates.load(TLSMaterial(renewed))
        self.assertEqual(serial_number(renewed), self.connect().shown)
        before.server.send(b"still here")
        before._exchange()
        self.assertEqual(b"still here", before.client.read(100))

    def test_what_cannot_be_used_is_refused_and_changes_nothing(self) -> None:
        for wrong in (
            Identity(MAIL.certificate, OTHER.key),
            Identity(b"", MAIL.key),
            Identity(MAIL.certificate, b"no key", "privkey.pem"),
        ):
            self.assertRaises(CertificateError, self.certificates.load, TLSMaterial(wrong))
            self.assertRaises(CertificateError, self.certificates.load, TLSMaterial(MAIL, (wrong,)))
        error = self.assertRaises(CertificateError, Certificates, TLSMaterial(Identity(b"", b"", "privkey.pem")))
        self.assertTrue(str(error).startswith("privkey.pem: "))
        self.assertEqual(serial_number(OTHER), self.connect("mail.example.net").shown)

    def test_sessions_are_resumed_until_the_keys_of_the_tickets_are_new(self) -> None:
        session = self.connect().client.session
        self.assertTrue(self.connect(session=session).client.session_reused)
        self.certificates.load(TLSMaterial(MAIL, (OTHER,)))
        self.assertFalse(self.connect(session=session).client.session_reused)

    def test_key_is_not_shown_in_a_log(self) -> None:
        self.assertNotIn("PRIVATE", repr(TLSMaterial(MAIL)))


class ClientCertificateTests(TestCase):
    def setUp(self) -> None:
        self.users = Issuer("Authority of users")
        self.certificates = Certificates(TLSMaterial(MAIL, client_authority=self.users.pem))

    def connect(self, identity: Identity | None) -> Handshake:
        context = ISSUER.client_context()
        if identity is not None:
            path = os.path.abspath(self.mktemp())
            with open(path, "wb") as file:
                file.write(identity.certificate + identity.key)
            context.load_cert_chain(path)
        return Handshake(self.certificates, context)

    def test_addresses_of_a_good_certificate_are_known(self) -> None:
        handshake = self.connect(self.users.identity("host.example", addresses=("alice@example.org", "a@example.org")))
        self.assertEqual(("alice@example.org", "a@example.org"), certified_addresses(handshake.server))

    def test_certificate_without_an_address_and_none_at_all_certify_nothing(self) -> None:
        for identity in (self.users.identity("alice.example"), None):
            self.assertEqual((), certified_addresses(self.connect(identity).server))
        self.assertEqual((), certified_addresses(None))

    def test_certificate_of_another_authority_ends_the_connection(self) -> None:
        stranger = Issuer("Authority of users").identity(addresses=("alice@example.org",))
        self.assertRaises((SSL.Error, ssl.SSLError), self.connect, stranger)

    def test_nobody_is_asked_without_an_authority(self) -> None:
        self.certificates = Certificates(TLSMaterial(MAIL))
        handshake = self.connect(self.users.identity(addresses=("alice@example.org",)))
        self.assertEqual((), certified_addresses(handshake.server))


class BindingTests(TestCase):
    def connection(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> SSL.Connection:
        context = ISSUER.client_context()
        context.maximum_version = version
        return Handshake(Certificates(TLSMaterial(MAIL)), context).server

    def test_end_point_is_the_digest_of_the_certificate(self) -> None:
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(MAIL.certificate.decode())).digest()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(digest, channel_binding(self.connection(version), "tls-server-end-point"))

    def test_exporter_is_another_for_each_connection_and_not_there_before_tls_1_3(self) -> None:
        exported = {channel_binding(self.connection(), "tls-exporter") for _ in range(3)}
        self.assertEqual({32}, {len(octets or b"") for octets in exported})
        self.assertEqual(3, len(exported))
        self.assertIsNone(channel_binding(self.connection(ssl.TLSVersion.TLSv1_2), "tls-exporter"))

    def test_there_is_nothing_without_tls_or_of_another_type(self) -> None:
        self.assertIsNone(channel_binding(None, "tls-exporter"))
        self.assertIsNone(channel_binding(self.connection(), "tls-unique"))
        self.assertIsNone(channel_binding(self.connection(), ""))
