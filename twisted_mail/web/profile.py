"""Apple's configuration profile (.mobileconfig): one tap, and iPhone, iPad or Mac know the account.

Without a password, which the device asks for; without an address it asks for that, too.  Signed where the server has a
certificate, so that the device says whose it is.
"""

from __future__ import annotations

import plistlib
from uuid import NAMESPACE_DNS, uuid5

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from twisted_mail.protocols.tls import Identity
from twisted_mail.smtp.address import Address
from twisted_mail.web.services import Encryption, MailServer, Services

KIND = "application/x-apple-aspen-config"
"""The content type."""


def profile(domain: str, address: Address | None, services: Services) -> bytes:
    """The property list, not signed.  The same for the same account: installed again it replaces itself."""
    name = str(address) if address else domain
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadDisplayName": f"Mail {name}",
        "EmailAccountType": "EmailTypePOP",
        "EmailAccountDescription": name,
        "OutgoingPasswordSameAsIncomingPassword": True,
        **_identity("account", name),
        **_server("Incoming", services.pop3[0], address),
        **_server("Outgoing", services.submission[0], address),
    }
    if address:
        account["EmailAddress"] = str(address)
    whole = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadDisplayName": f"Mail {name}",
        "PayloadDescription": f"Sets up mail for {name} at {services.hostname}.",
        "PayloadOrganization": domain,
        "PayloadContent": [account],
        **_identity("profile", name),
    }
    return plistlib.dumps(whole)


def signed(octets: bytes, identity: Identity) -> bytes:
    """*octets* in a PKCS #7 envelope with the server's certificate and its chain.  Raises ValueError.

    Only RSA and EC keys can; with another the octets are returned as they are.
    """
    key = load_pem_private_key(identity.key, password=None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return octets
    leaf, *chain = x509.load_pem_x509_certificates(identity.certificate)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(octets).add_signer(leaf, key, hashes.SHA256())
    for certificate in chain:
        builder = builder.add_certificate(certificate)
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def _identity(part: str, name: str) -> dict[str, object]:
    return {
        "PayloadIdentifier": f"{part}.mail.{name}".replace("@", "."),
        "PayloadUUID": str(uuid5(NAMESPACE_DNS, f"{part}.{name}")).upper(),
    }


def _server(direction: str, server: MailServer, address: Address | None) -> dict[str, object]:
    values: dict[str, object] = {
        f"{direction}MailServerHostName": server.hostname,
        f"{direction}MailServerPortNumber": server.port,
        f"{direction}MailServerUseSSL": server.encryption is not Encryption.NONE,
        f"{direction}MailServerAuthentication": "EmailAuthPassword",
    }
    if address:
        values[f"{direction}MailServerUsername"] = str(address)
    return values
