"""Outlook's autodiscover: the XML that it posts and gets (POX), and the JSON by which newer versions find that.

The forms are those of [MS-OXDSCLI]; a server that is not Exchange answers the account type `email` with POP3 and SMTP.
"""

from __future__ import annotations

import json
from xml.etree.ElementTree import Element, SubElement
from xml.parsers import expat

from twisted_mail.smtp.address import Address
from twisted_mail.web.autoconfig import document
from twisted_mail.web.services import Encryption, MailServer, Services

_OUTER = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_INNER = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

_ENCRYPTIONS = {Encryption.TLS: "SSL", Encryption.STARTTLS: "TLS", Encryption.NONE: "None"}

PROTOCOL = "AutodiscoverV1"
"""What the JSON form can be asked for: the address of the XML form."""


class RequestError(Exception):
    """What was posted is no request; the text says why."""


def requested_address(octets: bytes) -> str:
    """The address that a POX request asks about, as it is written there.  Raises RequestError.

    Documents with a DOCTYPE are refused: entities could make them grow without end.
    """
    path: list[str] = []
    found: list[str] = []

    def refuse(*declaration: object) -> None:
        raise RequestError("a DOCTYPE has no place in an autodiscover request")

    def text(data: str) -> None:
        if path[-2:] == ["Request", "EMailAddress"]:
            found.append(data)

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, attributes: path.append(name.rpartition(" ")[2])
    parser.EndElementHandler = lambda name: path.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(octets, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the latter two: encodings that there are not
        raise RequestError(f"this is not XML: {error}") from error
    if not (address := "".join(found).strip()):
        raise RequestError("an autodiscover request must name an EMailAddress")
    return address


def settings(address: Address, services: Services) -> bytes:
    """The POX answer: the first server of each kind.  The login name is the address."""
    root = Element("Autodiscover", xmlns=_OUTER)
    response = SubElement(root, "Response", xmlns=_INNER)
    SubElement(SubElement(response, "User"), "DisplayName").text = str(address)
    account = SubElement(response, "Account")
    SubElement(account, "AccountType").text = "email"
    SubElement(account, "Action").text = "settings"
    _protocol(account, "POP3", services.pop3[0], str(address), {})
    _protocol(account, "SMTP", services.submission[0], str(address), {"UsePOPAuth": "on", "SMTPLast": "off"})
    return document(root)


def _protocol(account: Element, kind: str, server: MailServer, login: str, more: dict[str, str]) -> None:
    protocol = SubElement(account, "Protocol")
    values = {
        "Type": kind,
        "Server": server.hostname,
        "Port": str(server.port),
        "DomainRequired": "off",
        "LoginName": login,
        "SPA": "off",
        "SSL": "off" if server.encryption is Encryption.NONE else "on",
        "Encryption": _ENCRYPTIONS[server.encryption],
        "AuthRequired": "on",
    }
    for name, text in (values | more).items():
        SubElement(protocol, name).text = text


def pointer(protocol: str, url: str) -> tuple[int, bytes]:
    """The answer to the JSON form, with its status: *url* is where the XML form answers."""
    if protocol.lower() == PROTOCOL.lower():
        return 200, _json({"Protocol": PROTOCOL, "Url": url})
    asked = protocol if protocol.isalnum() and len(protocol) < 40 else "asked for"
    message = f"The given protocol value '{asked}' is invalid. Supported values are '{PROTOCOL}'"
    return 400, _json({"ErrorCode": "InvalidProtocol", "ErrorMessage": message})


def _json(values: dict[str, str]) -> bytes:
    return json.dumps(values).encode()
