"""The documents of client configuration, field by field: Thunderbird's, Outlook's, Apple's."""

from __future__ import annotations

import json
import plistlib
from xml.etree import ElementTree

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Issuer
from twisted_mail.smtp.address import Address
from twisted_mail.web.autoconfig import client_config
from twisted_mail.web.autodiscover import RequestError, pointer, requested_address, settings
from twisted_mail.web.profile import profile, signed
from twisted_mail.web.services import Encryption, MailServer, Ports, Services, distinct, mail_servers

HOST = "mail.example.org"
POP3S, POP3 = MailServer(HOST, 995, Encryption.TLS), MailServer(HOST, 110, Encryption.STARTTLS)
SUBMISSIONS, SUBMISSION = MailServer(HOST, 465, Encryption.TLS), MailServer(HOST, 587, Encryption.STARTTLS)
SERVICES = Services(HOST, (POP3S, POP3), (SUBMISSIONS, SUBMISSION))
ONLY_STARTTLS = Services(HOST, (POP3,), (SUBMISSION,))
ONLY_PLAIN = Services(HOST, (MailServer(HOST, 110, Encryption.NONE),), (MailServer(HOST, 587, Encryption.NONE),))
ALICE = Address("alice", "example.org")
SCHEMA = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


class ServicesTests(SynchronousTestCase):
    def test_tls_from_the_first_octet_goes_first(self) -> None:
        ports = Ports(all_tls=(995,), plain=(110,))
        self.assertEqual((POP3S, POP3), mail_servers(HOST, ports, has_tls=True, allow_plaintext=False))

    def test_without_tls_nobody_can_log_in_unless_passwords_may_go_in_the_clear(self) -> None:
        ports = Ports(all_tls=(995,), plain=(110,))
        self.assertEqual((), mail_servers(HOST, ports, has_tls=False, allow_plaintext=False))
        self.assertEqual(ONLY_PLAIN.pop3, mail_servers(HOST, ports, has_tls=False, allow_plaintext=True))
        self.assertFalse(Services(HOST, (), ONLY_PLAIN.submission).are_usable)

    def test_a_port_on_several_addresses_is_one(self) -> None:
        self.assertEqual((110, 1110), distinct([110, 110, None, 0, 1110]))


class AutoconfigTests(SynchronousTestCase):
    def servers(self, services: Services) -> list[tuple[str, str, dict[str, str]]]:
        root = ElementTree.fromstring(client_config("example.org", services, "https://x/help/example.org"))
        self.assertEqual(("clientConfig", "1.1"), (root.tag, root.get("version")))
        (provider,) = root
        found = []
        for server in provider:
            if server.tag in ("incomingServer", "outgoingServer"):
                values = {part.tag: part.text or "" for part in server if len(part) == 0}
                found.append((server.tag, server.get("type") or "", values))
        return found

    def test_each_server_has_exactly_what_thunderbird_reads_in_our_order(self) -> None:
        login = {"username": "%EMAILADDRESS%", "authentication": "password-cleartext"}
        expected = [
            (tag, kind, {"hostname": HOST, "port": port, "socketType": security} | login)
            for tag, kind, port, security in (
                ("incomingServer", "pop3", "995", "SSL"),
                ("incomingServer", "pop3", "110", "STARTTLS"),
                ("outgoingServer", "smtp", "465", "SSL"),
                ("outgoingServer", "smtp", "587", "STARTTLS"),
            )
        ]
        self.assertEqual(expected, self.servers(SERVICES))

    def test_without_tls_it_says_plain(self) -> None:
        self.assertEqual(["plain", "plain"], [values["socketType"] for *_, values in self.servers(ONLY_PLAIN)])

    def test_the_provider_is_the_domain_and_its_help_is_named(self) -> None:
        root = ElementTree.fromstring(client_config("example.org", SERVICES, "https://x/help/example.org"))
        provider = root.find("emailProvider")
        assert provider is not None
        self.assertEqual("example.org", provider.get("id"))
        texts = [provider.findtext(name) for name in ("domain", "displayName", "displayShortName")]
        self.assertEqual(["example.org"] * 3, texts)
        documentation = provider.find("documentation")
        assert documentation is not None
        self.assertEqual("https://x/help/example.org", documentation.get("url"))


REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request><EMailAddress> alice@example.org </EMailAddress>
    <AcceptableResponseSchema>{}</AcceptableResponseSchema></Request></Autodiscover>""".format(SCHEMA.strip("{}"))


class AutodiscoverTests(SynchronousTestCase):
    def test_the_address_of_a_request_is_found(self) -> None:
        self.assertEqual("alice@example.org", requested_address(REQUEST.encode()))
        self.assertEqual("alice@example.org", requested_address(REQUEST.replace("utf-8", "utf-16").encode("utf-16")))

    def test_what_is_no_request_is_refused_in_words(self) -> None:
        bomb = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><a>&b;</a>'
        for octets, why in (
            (b"", "not XML"),
            (b"<Autodiscover>", "not XML"),
            (b"\xff\xfe\x00", "not XML"),
            (b'<?xml version="1.0" encoding="none-such"?><a/>', "not XML"),
            (REQUEST.replace("EMailAddress", "LegacyDN").encode(), "EMailAddress"),
            (b"<EMailAddress>alice@example.org</EMailAddress>", "EMailAddress"),
            (bomb.encode(), "DOCTYPE"),
            (bomb.encode("utf-16"), "DOCTYPE"),
        ):
            error = self.assertRaises(RequestError, requested_address, octets)
            self.assertIn(why, str(error), octets)

    def protocols(self, services: Services) -> list[dict[str, str]]:
        root = ElementTree.fromstring(settings(ALICE, services))
        self.assertTrue(root.tag.endswith("}Autodiscover"))
        account = root.find(f"{SCHEMA}Response/{SCHEMA}Account")
        assert account is not None
        self.assertEqual("email", account.findtext(f"{SCHEMA}AccountType"))
        self.assertEqual("settings", account.findtext(f"{SCHEMA}Action"))
        found = account.findall(f"{SCHEMA}Protocol")
        return [{part.tag.removeprefix(SCHEMA): part.text or "" for part in protocol} for protocol in found]

    def test_outlook_gets_the_best_server_of_each_kind(self) -> None:
        login = {"DomainRequired": "off", "LoginName": "alice@example.org", "SPA": "off", "AuthRequired": "on"}
        tls = {"Server": HOST, "SSL": "on", "Encryption": "SSL"}
        pop3 = {"Type": "POP3", "Port": "995"} | tls | login
        smtp = {"Type": "SMTP", "Port": "465", "UsePOPAuth": "on", "SMTPLast": "off"} | tls | login
        self.assertEqual([pop3, smtp], self.protocols(SERVICES))

    def test_the_kind_of_encryption_is_said(self) -> None:
        for services, expected in ((ONLY_STARTTLS, ("on", "TLS")), (ONLY_PLAIN, ("off", "None"))):
            for protocol in self.protocols(services):
                self.assertEqual(expected, (protocol["SSL"], protocol["Encryption"]))

    def test_the_json_form_points_to_the_xml_form(self) -> None:
        url = "https://mail.example.org/autodiscover/autodiscover.xml"
        code, body = pointer("autodiscoverv1", url)
        self.assertEqual((200, {"Protocol": "AutodiscoverV1", "Url": url}), (code, json.loads(body)))

    def test_the_json_form_has_nothing_else(self) -> None:
        for protocol in ("ActiveSync", "EWS", "", '"><script>'):
            code, body = pointer(protocol, "https://x/")
            self.assertEqual((400, "InvalidProtocol"), (code, json.loads(body)["ErrorCode"]))
            self.assertNotIn(b"<script>", body)


class ProfileTests(SynchronousTestCase):
    def test_an_account_by_pop3_and_no_password(self) -> None:
        whole = plistlib.loads(profile("example.org", ALICE, SERVICES))
        self.assertEqual("Configuration", whole["PayloadType"])
        (account,) = whole["PayloadContent"]
        expected = {
            "PayloadType": "com.apple.mail.managed",
            "EmailAccountType": "EmailTypePOP",
            "EmailAddress": "alice@example.org",
            "IncomingMailServerHostName": HOST,
            "IncomingMailServerPortNumber": 995,
            "IncomingMailServerUseSSL": True,
            "IncomingMailServerUsername": "alice@example.org",
            "IncomingMailServerAuthentication": "EmailAuthPassword",
            "OutgoingMailServerHostName": HOST,
            "OutgoingMailServerPortNumber": 465,
            "OutgoingMailServerUseSSL": True,
            "OutgoingMailServerUsername": "alice@example.org",
            "OutgoingMailServerAuthentication": "EmailAuthPassword",
            "OutgoingPasswordSameAsIncomingPassword": True,
        }
        self.assertEqual(expected, {key: account.get(key) for key in expected})
        self.assertEqual([], [key for key in account if key.endswith("Password") and not key.startswith("Outgoing")])

    def test_for_a_whole_domain_the_device_asks_for_the_address(self) -> None:
        (account,) = plistlib.loads(profile("example.org", None, SERVICES))["PayloadContent"]
        self.assertEqual([], [key for key in account if "Username" in key or key == "EmailAddress"])

    def test_the_same_account_has_the_same_identity(self) -> None:
        first, again = (plistlib.loads(profile("example.org", ALICE, each)) for each in (SERVICES, ONLY_STARTTLS))
        other = plistlib.loads(profile("example.org", Address("bob", "example.org"), SERVICES))
        self.assertEqual(first["PayloadUUID"], again["PayloadUUID"])
        self.assertEqual(
            3, len({first["PayloadUUID"], other["PayloadUUID"], first["PayloadContent"][0]["PayloadUUID"]})
        )

    def test_a_signed_profile_holds_the_profile_and_the_certificate(self) -> None:
        identity = Issuer().identity("mail.example.org")
        octets = profile("example.org", ALICE, SERVICES)
        envelope = signed(octets, identity)
        self.assertIn(octets, envelope)
        (leaf, *_) = pkcs7.load_der_pkcs7_certificates(envelope)
        self.assertEqual(x509.load_pem_x509_certificate(identity.certificate), leaf)
