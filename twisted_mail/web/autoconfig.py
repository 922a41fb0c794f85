"""Thunderbird's autoconfig: what it, and several other programs, read from /mail/config-v1.1.xml.

The format is that of Mozilla's clientConfig 1.1: servers in the order of preference, POP3 only.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from twisted_mail.web.services import Encryption, MailServer, Services

KIND = "text/xml; charset=utf-8"
"""The content type."""

_SOCKET_TYPES = {Encryption.TLS: "SSL", Encryption.STARTTLS: "STARTTLS", Encryption.NONE: "plain"}


def client_config(domain: str, services: Services, help_url: str) -> bytes:
    """The document for all addresses in *domain*; the program puts the address in the place of %EMAILADDRESS%."""
    root = Element("clientConfig", version="1.1")
    provider = SubElement(root, "emailProvider", id=domain)
    for name, text in (("domain", domain), ("displayName", domain), ("displayShortName", domain)):
        SubElement(provider, name).text = text
    for server in services.pop3:
        incoming = _server(provider, "incomingServer", "pop3", server)
        SubElement(SubElement(incoming, "pop3"), "leaveMessagesOnServer").text = "true"
    for server in services.submission:
        _server(provider, "outgoingServer", "smtp", server)
    documentation = SubElement(provider, "documentation", url=help_url)
    SubElement(documentation, "descr", lang="en").text = f"Mail settings for {domain}"
    return document(root)


def document(root: Element) -> bytes:
    """With the declaration, in UTF-8."""
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _server(provider: Element, name: str, kind: str, server: MailServer) -> Element:
    element = SubElement(provider, name, type=kind)
    for part, text in (
        ("hostname", server.hostname),
        ("port", str(server.port)),
        ("socketType", _SOCKET_TYPES[server.encryption]),
        ("username", "%EMAILADDRESS%"),
        ("authentication", "password-cleartext"),
    ):
        SubElement(element, part).text = text
    return element
