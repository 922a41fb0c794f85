"""When a policy is fetched, how long it holds, and what follows from it for a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.policy.records import Records
from twisted_mail.interfaces import Approach, Demand, ITransportPolicies, IWitness, MailHost
from twisted_mail.policy.sts.files import PolicyFiles
from twisted_mail.policy.sts.policies import FRESH, TRY_AGAIN, Policies
from twisted_mail.protocols.httpsclient import Bounds, HTTPSClient, RequestFailed, Response, ServerUntrusted
from twisted_mail.tlsoutcome import NO_POLICY, TLSFailure

DOMAIN = "there.example"
MX, EVIL = MailHost("mx.there.example", ("192.0.2.1",)), MailHost("evil.example", ("192.0.2.2",))
WEEK = 604_800


def text(mode: str, *hosts: str, age: int = WEEK) -> bytes:
    names = "".join(f"mx: {host}\n" for host in hosts or (MX.name,))
    return f"version: STSv1\nmode: {mode}\n{names}max_age: {age}\n".encode()


class Web:
    """One answer for everybody."""

    def __init__(self) -> None:
        self.answer: Response | RequestFailed = Response(200, "text/plain", text("enforce"))
        self.asked: list[str] = []

    async def get(self, url: str, addresses: Sequence[str], bounds: Bounds) -> Response:
        self.asked.append(f"{url} at {' '.join(addresses)}")
        if isinstance(self.answer, RequestFailed):
            raise self.answer
        return self.answer


def at_once(call: Callable[[], object]) -> Deferred[object]:
    return maybeDeferred(call)


class PoliciesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.web = Web()
        self.folder = self.mktemp()
        self.announce("1")
        self.start_anew()

    def announce(self, identifier: str) -> None:
        record = {"TXT": [f"v=STSv1; id={identifier}"]} if identifier else {}
        self.records = Records({f"_mta-sts.{DOMAIN}": record, f"mta-sts.{DOMAIN}": {"A": ["192.0.2.9"]}})
        if hasattr(self, "policies"):
            self.policies._lookups = self.records

    def start_anew(self) -> None:
        web = cast(HTTPSClient, self.web)
        self.policies = Policies(self.records, web, PolicyFiles(self.folder), at_once, self.clock)

    def approach(self, host: MailHost, domain: str = DOMAIN) -> Approach:
        return self.successResultOf(Deferred.fromCoroutine(self.policies.approach(domain, host)))

    def demand(self, host: MailHost = MX, domain: str = DOMAIN) -> Demand:
        return self.approach(host, domain).demand

    def test_what_it_provides(self) -> None:
        verifyObject(ITransportPolicies, self.policies)
        verifyObject(IWitness, self.policies)

    def test_what_follows_for_a_server(self) -> None:
        for mode, own, other, vouched in (
            ("enforce", Demand.CERTIFICATE, Demand.REFUSED, True),
            ("testing", Demand.TESTED, Demand.NOTHING, True),
            ("none", Demand.NOTHING, Demand.NOTHING, False),
        ):
            with self.subTest(mode=mode):
                self.folder = self.mktemp()
                self.start_anew()
                self.web.answer = Response(200, "text/plain", text(mode))
                self.assertEqual((own, other), (self.demand(MX), self.demand(EVIL)))
                for host, expected in ((MX, vouched), (EVIL, False)):
                    vouching = Deferred.fromCoroutine(self.policies.vouches_for(DOMAIN, host))
                    self.assertEqual(expected, self.successResultOf(vouching))

    def test_domain_without_a_record_is_not_asked_over_https(self) -> None:
        self.assertEqual(Demand.NOTHING, self.demand(domain="other.example"))
        self.assertEqual(Demand.NOTHING, self.demand(domain="[192.0.2.1]"))
        self.assertEqual([], self.web.asked)

    def test_policy_is_fetched_once_from_the_address_that_dns_names(self) -> None:
        self.assertEqual([Demand.CERTIFICATE] * 3, [self.demand() for _ in range(3)])
        self.assertEqual([f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt at 192.0.2.9"], self.web.asked)

    def test_known_policy_holds_without_dns_and_web_until_its_end_also_after_a_restart(self) -> None:
        self.demand()
        self.announce("")
        self.start_anew()
        self.clock.advance(WEEK - 1)
        self.assertEqual(Demand.CERTIFICATE, self.demand())
        self.clock.advance(2)
        self.assertEqual(Demand.NOTHING, self.demand())

    def test_changed_record_fetches_the_new_policy(self) -> None:
        self.demand()
        self.web.answer = Response(200, "text/plain", text("testing"))
        self.announce("2")
        self.assertEqual(Demand.TESTED, self.demand())

    def test_answer_that_is_no_policy_is_not_believed_and_not_asked_for_again_at_once(self) -> None:
        for answer in (
            Response(301, "text/plain", text("enforce")),
            Response(404, "text/plain", b""),
            Response(200, "text/html", text("enforce")),
            Response(200, "text/plain", b"hello"),
            RequestFailed("no answer"),
        ):
            with self.subTest(answer=answer):
                self.web.asked.clear()
                self.web.answer = answer
                self.clock.advance(TRY_AGAIN)
                self.assertEqual([Demand.NOTHING] * 2, [self.demand() for _ in range(2)])
                self.assertEqual(1, len(self.web.asked))

    def test_reports_are_told_what_is_published_and_why_it_cannot_be_had(self) -> None:
        for answer, host, expected in (
            (Response(200, "text/plain", text("enforce")), MX, None),
            (Response(200, "text/plain", text("testing")), EVIL, TLSFailure.OTHER),
            (Response(404, "text/plain", b""), MX, TLSFailure.POLICY_NOT_FETCHED),
            (Response(200, "text/plain", b"hello"), MX, TLSFailure.POLICY_INVALID),
            (RequestFailed("no answer"), MX, TLSFailure.POLICY_NOT_FETCHED),
            (ServerUntrusted("expired"), MX, TLSFailure.POLICY_HOST_UNTRUSTED),
        ):
            with self.subTest(answer=answer):
                self.folder = self.mktemp()
                self.start_anew()
                self.web.answer = answer
                published = self.approach(host).published
                self.assertEqual(("sts", expected), (published.kind, published.flaw and published.flaw.failure))
                self.assertEqual((MX.name,) if host is EVIL or expected is None else (), published.hosts)
        self.announce("")
        self.clock.advance(TRY_AGAIN)
        self.assertEqual(NO_POLICY, self.approach(MX).published)  # nothing is announced any more

    def test_policy_that_cannot_be_fetched_anew_still_holds(self) -> None:
        self.demand()
        self.announce("2")
        self.web.answer = RequestFailed("no answer")
        self.assertEqual(Demand.CERTIFICATE, self.demand())

    def test_policy_is_refreshed_before_its_end(self) -> None:
        self.demand()
        self.policies.start()
        self.addCleanup(self.policies.stop)
        self.clock.pump([3600.0] * int(FRESH / 3600 + 2))
        self.assertEqual(2, len(self.web.asked))

    def test_policy_that_has_ended_is_removed(self) -> None:
        self.demand()
        self.announce("")
        self.clock.advance(WEEK + 1)
        self.successResultOf(Deferred.fromCoroutine(self.policies.refresh()))
        self.assertEqual([], PolicyFiles(self.folder).domains())

    def test_broken_file_counts_as_absent(self) -> None:
        self.demand()
        with open(f"{self.folder}/{DOMAIN}.json", "w") as file:
            file.write("{")
        self.start_anew()
        self.assertEqual(Demand.CERTIFICATE, self.demand())
        self.assertEqual(2, len(self.web.asked))
