"""Which certificates a client takes, and what is said of the others: real handshakes without a network."""

from __future__ import annotations

import contextlib
from typing import cast

import pytest
from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from tests.protocols.test_dane import CA, EXPIRED, HOST, KEY, LEAF, OF_ANOTHER, OTHER_CA, certificate
from twisted_mail.protocols.clienttls import CertificateRefused, failure_of, verified
from twisted_mail.tlsoutcome import TLSFailure

TRUST = trustRootFromCertificates([Certificate(crypto.X509.from_cryptography(CA))])
BY_ITSELF = certificate(HOST, KEY, (HOST, KEY))
OF_OTHERS = certificate(HOST, KEY, ("other-ca.example", KEY))


class Protocol:
    """Hears why."""

    refusal: BaseException | None = None

    def failVerification(self, failure: Failure) -> None:
        self.refusal = failure.value


def handshake(leaf: x509.Certificate, name: str) -> tuple[bool, BaseException | None]:
    """Whether the client has taken the certificate, and what it said."""
    protocol = Protocol()
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_privatekey(crypto.PKey.from_cryptography_key(KEY))
    context.use_certificate(crypto.X509.from_cryptography(leaf))
    server = SSL.Connection(context, None)
    client = verified(TRUST)(name).clientConnectionForTLS(cast(TLSMemoryBIOProtocol, protocol))
    server.set_accept_state()
    client.set_connect_state()
    taken = False
    for _ in range(4):
        for one, another in ((client, server), (server, client)):
            with contextlib.suppress(SSL.Error):
                one.do_handshake()
                taken |= one is client
            with contextlib.suppress(SSL.WantReadError):
                another.bio_write(one.bio_read(65_536))
    return taken, protocol.refusal


@pytest.mark.parametrize(
    ("leaf", "name", "failure", "words"),
    [
        (LEAF, HOST, None, ""),
        (LEAF, "other.example", TLSFailure.WRONG_HOST, "not for other.example"),
        (OF_ANOTHER, HOST, TLSFailure.WRONG_HOST, f"not for {HOST}"),
        (LEAF, "192.0.2.1", TLSFailure.WRONG_HOST, "not for 192.0.2.1"),
        (LEAF, "[192.0.2.1]", TLSFailure.WRONG_HOST, "not for [192.0.2.1]"),
        (EXPIRED, HOST, TLSFailure.EXPIRED, "has expired"),
        (BY_ITSELF, HOST, TLSFailure.UNTRUSTED, "signed by itself"),
        (OF_OTHERS, HOST, TLSFailure.UNTRUSTED, "an authority that is not known"),
        (OTHER_CA, HOST, TLSFailure.UNTRUSTED, "its certificate"),
    ],
)
def test_certificate_is_taken_or_refused_with_the_reason(
    leaf: x509.Certificate, name: str, failure: TLSFailure | None, words: str
) -> None:
    taken, refusal = handshake(leaf, name)
    assert taken is (failure is None)
    assert (refusal is None) is taken
    if refusal is not None:
        assert isinstance(refusal, CertificateRefused)
        assert failure_of(refusal) is failure
        assert words in str(refusal)


def test_what_else_ends_a_handshake_is_no_fault_of_the_certificate() -> None:
    assert failure_of(SSL.Error([("", "", "wrong version number")])) is TLSFailure.OTHER
