"""Certificates against TLSA records, in real handshakes without a network (RFC 7672 §3)."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL, crypto
from twisted.trial.unittest import TestCase

from twisted_mail.interfaces import TLSA
from twisted_mail.protocols.dane import NotNamed, check, is_usable

HOST = "mx.there.example"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey


def certificate(
    name: str, key: Key, issuer: tuple[str, Key], *, authority: bool = False, days: int = 2
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer[0]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 4 * DAY)
        .not_valid_after(NOW + days * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return builder.sign(issuer[1], hashes.SHA256())


CA_KEY, KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
CA = certificate("ca.example", CA_KEY, ("ca.example", CA_KEY), authority=True)
OTHER_CA = certificate("ca.example", KEY, ("ca.example", KEY), authority=True)
LEAF = certificate(HOST, KEY, ("ca.example", CA_KEY))
OF_ANOTHER = certificate("other.example", KEY, ("ca.example", CA_KEY))
EXPIRED = certificate(HOST, KEY, ("ca.example", CA_KEY), days=-1)


def connected(leaf: x509.Certificate, *others: x509.Certificate) -> SSL.Connection:
    """The client's side after a handshake with a server that shows these."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_privatekey(crypto.PKey.from_cryptography_key(KEY))
    context.use_certificate(crypto.X509.from_cryptography(leaf))
    for other in others:
        context.add_extra_chain_cert(crypto.X509.from_cryptography(other))
    server, client = SSL.Connection(context, None), SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
    server.set_accept_state()
    client.set_connect_state()
    for _ in range(4):
        for one, another in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                another.bio_write(one.bio_read(65_536))
    return client


def record(usage: int, selector: int, matching: int, named: x509.Certificate) -> TLSA:
    key = named.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    octets = key if selector else named.public_bytes(Encoding.DER)
    digest = (bytes, lambda text: hashlib.sha256(text).digest(), lambda text: hashlib.sha512(text).digest())[matching]
    return TLSA(usage, selector, matching, digest(octets))


class CheckTests(TestCase):
    def verdict(self, chain: Sequence[x509.Certificate], *records: TLSA) -> str:
        try:
            check(connected(*chain), HOST, records)
        except NotNamed as error:
            return str(error)
        return ""

    def test_certificate_itself_whatever_names_and_dates(self) -> None:
        for selector in (0, 1):
            for matching in (0, 1, 2):
                for leaf in (LEAF, OF_ANOTHER, EXPIRED):
                    with self.subTest(selector=selector, matching=matching, leaf=leaf.subject):
                        self.assertEqual("", self.verdict([leaf], record(3, selector, matching, leaf)))
                        wrong = record(3, selector, matching, CA)
                        self.assertIn("none of those", self.verdict([leaf, CA], wrong))

    def test_authority_in_the_chain_with_name_and_date(self) -> None:
        for selector in (0, 1):
            for matching in (0, 1, 2):
                named = record(2, selector, matching, CA)
                with self.subTest(selector=selector, matching=matching):
                    self.assertEqual("", self.verdict([LEAF, CA], named))
                    self.assertIn("not for mx.there.example", self.verdict([OF_ANOTHER, CA], named))
                    self.assertIn("none of those", self.verdict([EXPIRED, CA], named))
                    self.assertIn(
                        "none of those", self.verdict([LEAF, OTHER_CA], record(2, selector, matching, OTHER_CA))
                    )

    def test_authority_that_only_dns_has(self) -> None:
        self.assertEqual("", self.verdict([LEAF], record(2, 0, 0, CA)))
        self.assertIn("none of those", self.verdict([LEAF], record(2, 0, 1, CA)))
        self.assertIn("none of those", self.verdict([LEAF], TLSA(2, 0, 0, b"nonsense")))

    def test_one_of_several_records_will_do(self) -> None:
        self.assertEqual("", self.verdict([LEAF], record(3, 1, 1, CA), record(3, 1, 1, LEAF)))


CONNECTION = connected(LEAF, CA)


@given(st.lists(st.builds(TLSA, st.integers(0, 255), st.integers(0, 3), st.integers(0, 3), st.binary(max_size=80))))
def test_any_records_name_nothing_by_chance(records: list[TLSA]) -> None:
    try:
        check(CONNECTION, HOST, [record for record in records if is_usable(record)])
    except NotNamed:
        return
    raise AssertionError("a certificate was accepted that no record names")
