"""Who asks for the settings of which domain gets what: the views, over HTTP without a socket."""

from __future__ import annotations

import json
import plistlib
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from tests.web.asking import Reply, ask, site_of
from tests.web.test_documents import REQUEST, SERVICES
from twisted_mail.web.discovery import HELP, POX, Discovery
from twisted_mail.web.pages import Page, Pages
from twisted_mail.web.services import Services
from twisted_mail.web.start import Demo, StartPage

CONFIG = "/mail/config-v1.1.xml"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"
NOT_OURS = "This server has no mail for that domain.\n"


class DiscoveryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.serve(SERVICES)

    def serve(self, services: Services, https: str = "") -> None:
        discovery = Discovery(services, self.is_local, lambda: None, https)
        root = Pages(
            {
                CONFIG: Page(get=discovery.thunderbird),
                WELL_KNOWN: Page(get=discovery.thunderbird),
                POX: Page(get=discovery.outlook_redirect, post=discovery.outlook),
                "/autodiscover/autodiscover.json/": Page(get=discovery.outlook_pointer),
                HELP: Page(get=discovery.help),
            }
        )
        self.site = site_of(root)

    async def is_local(self, domain: str) -> bool:
        return domain in ("example.org", "xn--bcher-kva.example")

    def get(self, path: str, host: str = "mail.example.org") -> Reply:
        return ask(self.site, f"GET {path}", host=host)

    def post(self, path: str, body: str) -> Reply:
        return ask(self.site, f"POST {path}", body.encode())

    def test_thunderbird_gets_the_domain_of_its_address_else_of_the_host(self) -> None:
        for path, host in (
            (f"{CONFIG}?emailaddress=alice%40example.org", "whatever.example:8025"),
            (CONFIG, "autoconfig.example.org"),
            (WELL_KNOWN, "example.org"),
            (f"{WELL_KNOWN}?emailaddress=Alice%40EXAMPLE.org", "example.org"),
        ):
            reply = self.get(path, host)
            self.assertEqual((200, "text/xml; charset=utf-8"), (reply.status, reply.headers["Content-Type"]))
            self.assertEqual("example.org", ElementTree.fromstring(reply.body)[0].get("id"))

    def test_an_internationalized_domain_is_found_in_either_spelling(self) -> None:
        for address in ("anna%40xn--bcher-kva.example", "anna%40b%C3%BCcher.example"):
            self.assertEqual(200, self.get(f"{CONFIG}?emailaddress={address}").status)

    def test_a_domain_that_is_not_ours_is_told_in_words(self) -> None:
        for path, host in (
            (f"{CONFIG}?emailaddress=alice%40else.example", "autoconfig.example.org"),
            (CONFIG, "autoconfig.else.example"),
            (f"{HELP}else.example", "example.org"),
            (f"{HELP}%3Cscript%3E", "example.org"),
            (f"{HELP}example.org?emailaddress=eve%40else.example", "example.org"),
            (f"{HELP}?emailaddress=eve%40else.example", "example.org"),
            ("/autodiscover/autodiscover.json?Email=eve@else.example&Protocol=AutodiscoverV1", "example.org"),
        ):
            reply = self.get(path, host)
            self.assertEqual((404, NOT_OURS), (reply.status, reply.text), path)
        reply = self.post(POX, REQUEST.replace("example.org", "else.example"))
        self.assertEqual((404, NOT_OURS), (reply.status, reply.text))

    def test_nothing_tells_whether_an_account_exists(self) -> None:
        def all_about(name: str) -> list[Reply]:
            query = f"emailaddress={name}%40example.org"
            paths = [f"{CONFIG}?{query}", f"{HELP}?{query}", f"{HELP}example.org/mail.mobileconfig?{query}"]
            return [self.get(path) for path in paths] + [self.post(POX, REQUEST.replace("alice", name))]

        for one, other in zip(all_about("alice"), all_about("nobody"), strict=True):
            self.assertEqual((one.status, len(one.headers)), (other.status, len(other.headers)))

    def test_outlook_may_spell_the_path_as_it_likes(self) -> None:
        for path in (POX, "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.XML"):
            reply = self.post(path, REQUEST)
            self.assertEqual(200, reply.status)
            self.assertIn("<LoginName>alice@example.org</LoginName>", reply.text)

    def test_a_post_that_is_no_request_is_refused(self) -> None:
        for body in ("", "nonsense", REQUEST.replace("alice@example.org", "alice at home")):
            self.assertEqual(400, self.post(POX, body).status)

    def test_outlook_that_gets_is_sent_to_https_where_there_is(self) -> None:
        self.assertEqual(("POST", 405), (self.get(POX).headers["Allow"], self.get(POX).status))
        self.serve(SERVICES, "https://mail.example.org")
        reply = self.get(POX, "autodiscover.example.org")
        self.assertEqual((302, f"https://mail.example.org{POX}"), (reply.status, reply.headers["Location"]))

    def test_the_json_form_takes_both_kinds_of_address(self) -> None:
        for path in (
            "/autodiscover/autodiscover.json/v1.0/alice@example.org?Protocol=AutodiscoverV1&RedirectCount=1",
            "/autodiscover/autodiscover.json/v1.0/alice%40example.org?Protocol=Autodiscoverv1",
            "/Autodiscover/Autodiscover.json?Email=alice@example.org&Protocol=AutodiscoverV1",
        ):
            reply = self.get(path)
            self.assertEqual((200, "application/json"), (reply.status, reply.headers["Content-Type"]))
            self.assertEqual(f"http://mail.example.org{POX}", json.loads(reply.body)["Url"])
        self.assertEqual(400, self.get("/autodiscover/autodiscover.json?Email=a@example.org&Protocol=EWS").status)

    def test_the_help_page_says_all_that_a_person_must_enter(self) -> None:
        page = self.get(f"{HELP}example.org").text
        for text in ("mail.example.org", "995", "465", "SSL/TLS", "name@example.org", "Normal password"):
            self.assertIn(text, page)
        self.assertIn('src="/help/example.org/code.svg"', page)

    def test_the_help_page_for_an_address_has_it_in_its_links(self) -> None:
        for path in (f"{HELP}?emailaddress=alice%40example.org", f"{HELP}example.org?emailaddress=alice@example.org"):
            page = self.get(path).text
            self.assertIn('href="/help/example.org/mail.mobileconfig?emailaddress=alice%40example.org"', page)
            self.assertNotIn("<form", page)

    def test_what_stands_in_an_address_is_escaped(self) -> None:
        page = self.get(f"{HELP}?emailaddress=%22%3Cb%3E%22%40example.org").text
        self.assertIn("&lt;b&gt;", page)
        self.assertNotIn("<b>", page)

    def test_pages_run_and_load_nothing_from_elsewhere(self) -> None:
        for path in (f"{HELP}example.org", f"{HELP}?emailaddress=alice%40example.org"):
            page = self.get(path).text
            for forbidden in ("<script", "style=", "<style", "http://", "https://", "onclick"):
                self.assertNotIn(forbidden, page)

    def test_profile_and_code_are_below_the_help_page(self) -> None:
        reply = self.get(f"{HELP}example.org/mail.mobileconfig?emailaddress=alice%40example.org")
        self.assertEqual("application/x-apple-aspen-config", reply.headers["Content-Type"])
        self.assertEqual("Mail alice@example.org", plistlib.loads(reply.body)["PayloadDisplayName"])
        code = self.get(f"{HELP}example.org/code.svg?emailaddress=alice%40example.org", "mail.example.org:8025")
        self.assertEqual("image/svg+xml", code.headers["Content-Type"])
        self.assertIn(
            "http://mail.example.org:8025/help/example.org/mail.mobileconfig?emailaddress=alice%40example.org",
            code.text,
        )
        self.assertEqual(404, self.get(f"{HELP}example.org/else").status)

    def test_a_strange_host_name_does_not_get_into_documents(self) -> None:
        reply = self.get(f"{CONFIG}?emailaddress=alice%40example.org", 'x"><b>.example')
        self.assertIn('url="http://localhost/help/example.org"', reply.text)

    def test_while_nobody_can_log_in_nothing_is_configured(self) -> None:
        self.serve(Services("mail.example.org", (), ()))
        for reply in (
            self.get(CONFIG, "autoconfig.example.org"),
            self.get(f"{HELP}example.org"),
            self.post(POX, REQUEST),
        ):
            self.assertEqual(404, reply.status)
            self.assertIn("no certificate", reply.text)


class StartTests(SynchronousTestCase):
    def show(self, page: StartPage) -> str:
        return ask(site_of(Pages({"/": Page(get=page.show)})), "GET /").text

    def test_it_leads_to_the_settings(self) -> None:
        page = self.show(StartPage(SERVICES, links=[("/admin/", "Administration")]))
        self.assertIn('<form action="/help/" method="get">', page)
        self.assertIn('<a href="/admin/">Administration</a>', page)

    def test_in_demo_mode_it_says_what_there_is_to_try(self) -> None:
        page = self.show(StartPage(SERVICES, Demo("demo@localhost", "/data", (1025,))))
        for text in (
            "demo@localhost",
            "/data",
            "port 1025",
            "port 995 (SSL/TLS)",
            "/help/?emailaddress=demo@localhost",
        ):
            self.assertIn(text, page)
