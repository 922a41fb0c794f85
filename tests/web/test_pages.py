"""Which page answers at which path and for which method, and what is said when it fails."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from twisted_mail.networks import Networks
from twisted_mail.protocols.http import WebOptions, WebRequest, WebSite
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.web.layout import STYLE, document, table
from twisted_mail.web.pages import TEXT, Answer, Page, Pages


class Below(Resource):
    """A resource of twisted.web's own kind."""

    isLeaf = True

    def render_GET(self, request: WebRequest) -> bytes:
        return b"below: " + b"/".join(request.postpath or ())


class PagesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.waiting: Deferred[None] = Deferred(lambda deferred: self.cancelled.append(True))
        self.cancelled: list[bool] = []
        root = Pages(
            {
                "/": Page(get=self.say),
                "/mail/config-v1.1.xml": Page(get=self.say, post=self.say),
                "/admin/": Below(),
                "/broken": Page(get=self.fail_badly),
                "/slow": Page(get=self.wait),
            }
        )
        self.site = WebSite(root, WebOptions(ConnectionLimits(10, 10), Networks(()), Clock()))

    async def say(self, request: WebRequest) -> Answer:
        return Answer(request.method + b" " + request.path, TEXT, headers={"Cache-Control": "max-age=60"})

    async def fail_badly(self, request: WebRequest) -> Answer:
        raise RuntimeError("what nobody should read")

    async def wait(self, request: WebRequest) -> Answer:
        try:
            await self.waiting
        except CancelledError:
            self.cancelled.append(True)
            raise
        return Answer(b"")

    def ask(self, line: str) -> str:
        channel = self.site.buildProtocol(None)
        transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 1))
        channel.makeConnection(transport)
        channel.dataReceived(f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        channel.connectionLost()
        return transport.value().decode()

    def test_a_path_finds_its_page_in_any_letter_case(self) -> None:
        for path in ("/", "/mail/config-v1.1.xml", "/Mail/CONFIG-v1.1.xml", "/mail/config-v1.1.xml/", "//"):
            answer = self.ask(f"GET {path}?q=1")
            self.assertTrue(answer.startswith("HTTP/1.1 200 OK"), answer)
            self.assertTrue(answer.endswith(f"\r\n\r\nGET {path}"), answer)

    def test_a_tree_answers_for_all_below_it_and_knows_the_rest(self) -> None:
        for path, rest in (("/admin", ""), ("/admin/", ""), ("/admin/queue/One", "queue/One")):
            self.assertTrue(self.ask(f"GET {path}").endswith(f"\r\n\r\nbelow: {rest}"), path)

    def test_other_paths_are_not_there(self) -> None:
        for path in ("/mail", "/mail/config-v1.1.xml/more", "/administration", "/../etc", "/%2e%2e/x", "/style"):
            answer = self.ask(f"GET {path}")
            self.assertTrue(answer.startswith("HTTP/1.1 404 Not Found"), answer)
            self.assertTrue(answer.endswith("There is nothing at this address.\n"), answer)

    def test_headers_of_the_answer_go_before_those_of_all(self) -> None:
        self.assertIn("\r\nCache-Control: max-age=60\r\n", self.ask("GET /"))
        self.assertNotIn("no-store", self.ask("GET /"))
        self.assertIn("\r\nCache-Control: no-store\r\n", self.ask("GET /nothing"))

    def test_head_is_get_without_the_body(self) -> None:
        answer = self.ask("HEAD /")
        self.assertIn("\r\nContent-Length: 6\r\n", answer)
        self.assertTrue(answer.endswith("\r\n\r\n"))

    def test_a_method_that_the_page_does_not_know_is_told_which_it_does(self) -> None:
        answer = self.ask("DELETE /mail/config-v1.1.xml")
        self.assertTrue(answer.startswith("HTTP/1.1 405 "))
        self.assertIn("\r\nAllow: GET, HEAD, POST\r\n", answer)

    def test_a_page_that_fails_says_nothing_of_why_and_the_log_does(self) -> None:
        answer = self.ask("GET /broken")
        self.assertTrue(answer.startswith("HTTP/1.1 500 "))
        self.assertNotIn("what nobody should read", answer)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_a_client_that_goes_ends_the_work_for_it(self) -> None:
        self.assertEqual("", self.ask("GET /slow"))
        self.assertEqual([True, True], self.cancelled)


class LayoutTests(SynchronousTestCase):
    def test_texts_are_escaped(self) -> None:
        page = document("<b>", table([("a & b", "<script>")])).decode()
        self.assertIn("<h1>&lt;b&gt;</h1>", page)
        self.assertIn("a &amp; b", page)
        self.assertNotIn("<script>", page)

    def test_nothing_stands_inline(self) -> None:
        page = document("Title", table([("a", "b")])).decode()
        self.assertNotIn("style=", page)
        self.assertNotIn("<style", page)
        self.assertIn('<link rel="stylesheet" href="/style.css"', page)
        self.assertIn("prefers-color-scheme: dark", STYLE.css)
