"""The certificate of an ACME challenge is shown to who asks for its protocol and name, and to nobody else."""

from __future__ import annotations

import hashlib
import ssl

from cryptography import x509
from twisted.trial.unittest import TestCase

from tests.certificates import Issuer
from tests.protocols.test_tls import Handshake, serial_number
from twisted_mail.protocols.tls import Certificates, TLSMaterial
from twisted_mail.protocols.tlsalpn import challenge_context

ISSUER = Issuer()
MAIL = ISSUER.identity("mail.example.org", "autoconfig.example.org")
AUTHORIZATION = "token.digest-of-the-key"


class ChallengeTests(TestCase):
    def setUp(self) -> None:
        self.certificates = Certificates(TLSMaterial(MAIL))
        self.certificates.challenges[b"mail.example.org"] = challenge_context("mail.example.org", AUTHORIZATION)
        self.context = ISSUER.client_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def connect(self, name: str = "mail.example.org", *protocols: str) -> Handshake:
        if protocols:
            self.context.set_alpn_protocols(list(protocols))
        return Handshake(self.certificates, self.context, name, None)

    def test_the_authority_sees_the_challenge(self) -> None:
        seen = self.connect("mail.example.org", "acme-tls/1")
        self.assertEqual("acme-tls/1", seen.client.selected_alpn_protocol())
        der = seen.client.getpeercert(binary_form=True)
        assert der is not None
        extensions = x509.load_der_x509_certificate(der).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(["mail.example.org"], names.get_values_for_type(x509.DNSName))
        found = extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
        self.assertTrue(found.critical)
        assert isinstance(found.value, x509.UnrecognizedExtension)
        self.assertEqual(b"\x04\x20" + hashlib.sha256(AUTHORIZATION.encode()).digest(), found.value.value)

    def test_everybody_else_sees_the_server_meanwhile(self) -> None:
        for name, protocols in (
            ("mail.example.org", ()),
            ("mail.example.org", ("h2", "http/1.1")),
            ("autoconfig.example.org", ("acme-tls/1",)),
        ):
            seen = self.connect(name, *protocols)
            self.assertEqual(serial_number(MAIL), seen.shown)
            self.assertIsNone(seen.client.selected_alpn_protocol())

    def test_under_tls_1_2_the_challenge_is_not_shown(self) -> None:
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertEqual(serial_number(MAIL), self.connect("mail.example.org", "acme-tls/1").shown)
