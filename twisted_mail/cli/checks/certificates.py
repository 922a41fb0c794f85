"""The certificate: for the right name, for long enough, the one that the server really shows, and trusted."""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from twisted_mail.cli.certificatefile import certbot_command, covers, load_leaf, names_of
from twisted_mail.cli.checks.finding import Finding, Situation, advice, fault, ok
from twisted_mail.cli.dialogue import TCPWire
from twisted_mail.cli.reaching import host_of, unverified_context
from twisted_mail.config import Config
from twisted_mail.owncertificate import AUTHORITY
from twisted_mail.tlsfiles import certificate_files

SOON, VERY_SOON = 21, 7
"""Days: what renews certificates does so about a month before their end."""
PATIENCE = 5.0
"""Seconds."""

_RENEW = "certbot renew   (or whatever gets your certificates)"
_ITS_LOG = "journalctl -u twisted-mail | grep certificate   (the server gets it itself, and says what is in its way)"


def check_certificates(situation: Situation) -> Iterator[Finding]:
    config = situation.config
    if config.tls.certificate is None:
        yield _without(config)
        return
    leaves = []
    for path in certificate_files(config.tls):
        try:
            leaves.append(load_leaf(path))
        except (OSError, ValueError) as error:
            yield fault(f"{path} cannot be read: {error}", "run this as root, or put a PEM file there")
        else:
            yield _days(leaves[-1], path, situation.now, _ITS_LOG if config.tls.acme else _RENEW)
    if leaves:
        yield _names(leaves, config)
        # a client that asks for the name gets the one that is for it
        fitting = [leaf for leaf in leaves if covers(names_of(leaf), config.hostname)]
        yield from _shown((fitting or leaves)[0], situation)


def _without(config: Config) -> Finding:
    remedy = "name a certificate and its key in [tls]"
    if config.auth.allow_plaintext:
        return advice("there is no certificate, and passwords go over the net in the clear", remedy)
    return fault("there is no certificate, so nobody can log in", remedy)


def _names(leaves: Sequence[x509.Certificate], config: Config) -> Finding:
    names = [name for leaf in leaves for name in names_of(leaf)]
    if covers(names, config.hostname):
        return ok(f"the certificate is for {config.hostname}")
    listed = ", ".join(names) or "no name at all"
    return fault(
        f"the certificate is for {listed} and not for {config.hostname}: mail programs will not trust it",
        f"certbot certonly --standalone -d {config.hostname}   (or write the name that it has as hostname)",
    )


def _days(leaf: x509.Certificate, path: str, now: float, remedy: str) -> Finding:
    days = math.floor((leaf.not_valid_after_utc.timestamp() - now) / 86_400)
    end = leaf.not_valid_after_utc.strftime("%Y-%m-%d")
    if days < 0:
        return fault(f"{path} ended on {end}", remedy)
    text = f"{path} is good for {days} days more, until {end}"
    if days < SOON:
        return (fault if days < VERY_SOON else advice)(text, remedy)
    return ok(text)


def _shown(leaf: x509.Certificate, situation: Situation) -> Iterator[Finding]:
    """What a client sees at a port that is TLS from the first octet."""
    config = situation.config
    address = next((each for each in (*config.listen.pop3s, *config.listen.submissions) if each.port), None)
    if address is None or "pop3s" in config.proxy.listeners or "submissions" in config.proxy.listeners:
        return
    host, port = host_of(address), address.port or 0
    try:
        shown = _certificate_at(host, port, unverified_context(), config.hostname)
        if shown != leaf.public_bytes(serialization.Encoding.DER):
            until = x509.load_der_x509_certificate(shown).not_valid_after_utc.strftime("%Y-%m-%d")
            yield fault(
                f"the server still shows another certificate than that of the file, good until {until}",
                "systemctl reload twisted-mail   (and see its log: it may have no right to read the new one)",
            )
            return
        _certificate_at(host, port, ssl.create_default_context(), config.hostname)
        yield ok("the system's list of authorities trusts what the server shows")
    except ssl.SSLCertVerificationError as error:
        yield _untrusted(leaf, situation, error.verify_message)
    except OSError:
        return  # the check of the ports tells it


def _untrusted(leaf: x509.Certificate, situation: Situation, reason: str) -> Finding:
    config = situation.config
    issuer = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    if issuer and str(issuer[0].value).startswith(AUTHORITY):
        text = "the certificate is the server's own, about which mail programs ask"
        if situation.is_local_only:
            return ok(text)
        folder = os.path.dirname(config.tls.certificate or "")
        return advice(text, _ITS_LOG if config.tls.acme else certbot_command(config.hostname, folder))
    return fault(
        f"mail programs will not trust the certificate ({reason})",
        f"put the whole chain into {config.tls.certificate}; with certbot that is fullchain.pem",
    )


def _certificate_at(host: str, port: int, context: ssl.SSLContext, hostname: str) -> bytes:
    """DER.  Raises OSError."""
    wire = TCPWire(host, port, context, hostname, PATIENCE)
    try:
        wire.start_tls()
        return wire.peer_certificate()
    finally:
        wire.close()
