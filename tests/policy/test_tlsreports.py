"""Reports about TLS to others: who wants them, what is counted, and how they go."""

from __future__ import annotations

import gzip
import os
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.policy.records import FAILS, Records
from tests.targets import UnreliableTarget
from twisted_mail.policy.counting import Counting
from twisted_mail.policy.reporting import Reporting, ReportUpload
from twisted_mail.policy.reportmail import attached_documents
from twisted_mail.policy.resultstore import DAY, ResultStore
from twisted_mail.policy.tlsreport import TLSSession, read_tls_report
from twisted_mail.policy.tlsreports import TLSReports, noting, places_in, session_of
from twisted_mail.policy.uploading import BOUNDS, Uploader
from twisted_mail.protocols.httpsclient import HTTPSClient, RequestFailed, Response
from twisted_mail.smtp.address import parse_address
from twisted_mail.tlsoutcome import NO_POLICY, Flaw, Published, TLSFailure, TLSOutcome

RECORD = "_smtp._tls.example.net"
BOTH = "v=TLSRPTv1; rua=mailto:d@example.net,https://tls.example.net/v1"
STS = Published("sts", ("version: STSv1", "mode: testing"), ("mx.example.net",))
GOOD = TLSOutcome("example.net", NO_POLICY, "mx.example.net", "192.0.2.1", "192.0.2.9")
BAD = TLSOutcome(
    "example.net", STS, "mx.example.net", "192.0.2.1", "192.0.2.9", Flaw(TLSFailure.EXPIRED, "it has\nexpired")
)


@pytest.mark.parametrize(
    ("record", "places"),
    [
        ("v=TLSRPTv1; rua=mailto:a@example.net,https://x.example/", ["a@example.net", "https://x.example/"]),
        ("v=TLSRPTv1;rua=mailto:a@example.net, mailto:b@example.com;", ["a@example.net", "b@example.com"]),
        ("v=TLSRPTv1; rua=MAILTO:tls%2Breports@example.net?subject=x", ["tls+reports@example.net"]),
        ("v=TLSRPTv1; rua=https://x.example:8443/v1?a=b", ["https://x.example:8443/v1?a=b"]),
        ("v=TLSRPTv1; rua=http://x.example/,https:///,https://x:y/,https://[/,ftp://x.example,mailto:", []),
        ("v=TLSRPTv1; ruf=mailto:a@example.net", []),
        ("v=TLSRPTv2; rua=mailto:a@example.net", []),
        ("v=DMARC1; rua=mailto:a@example.net", []),
    ],
)
def test_reports_go_where_the_record_says(record: str, places: list[str]) -> None:
    found = places_in([b"v=spf1 -all", record.encode()])
    assert [*map(str, found.addresses), *found.urls] == places


def test_several_records_count_as_none() -> None:
    assert not places_in([BOTH.encode()] * 2)


def test_good_sessions_are_alike_and_bad_ones_say_where() -> None:
    assert session_of(GOOD) == TLSSession("no-policy-found")
    assert session_of(BAD) == TLSSession(
        *("sts", STS.lines, STS.hosts, "certificate-expired", "192.0.2.9", "mx.example.net", "192.0.2.1"),
        "it has expired",
    )


class Web:
    def __init__(self) -> None:
        self.code = 201
        self.asked: list[tuple[str, list[str], str, bytes]] = []

    async def post(self, url: str, addresses: list[str], bounds: Any, body: bytes, headers: dict[str, str]) -> Response:
        assert bounds is BOUNDS
        self.asked.append((url, addresses, headers["Content-Type"], body))
        return Response(self.code, "", b"")


class TLSReportsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(20_000 * DAY)
        folder = self.mktemp()
        os.mkdir(folder)
        self.store = ResultStore(os.path.join(folder, "tlsrpt.sqlite"), TLSSession)
        self.addCleanup(self.store.close)
        self.target = UnreliableTarget()
        self.web = Web()
        self.zone: dict[str, Any] = {RECORD: {"TXT": [BOTH]}, "tls.example.net": {"A": ["192.0.2.7"]}}

    def note(self, *outcomes: TLSOutcome) -> None:
        note = noting(Counting(self.store, execute, self.clock), Records(self.zone))
        for outcome in outcomes:
            note(outcome)
        self.store.write(self.store.take())

    def round(self) -> None:
        records = Records(self.zone)
        reports = TLSReports(records, parse_address("tls@example.org"), "mail.example.org")
        upload = Uploader(records, cast(HTTPSClient, self.web)).upload
        reporting = Reporting(self.store, reports, self.target, upload, execute, self.clock)
        self.successResultOf(Deferred.fromCoroutine(reporting.report()))

    def test_report_of_the_day_goes_by_mail_and_https(self) -> None:
        self.note(GOOD, GOOD, BAD)
        self.clock.advance(DAY)
        self.round()
        ((_, recipients, text),) = self.target.taken
        self.assertEqual(["d@example.net"], [str(each.address) for each in recipients])
        self.assertIn(b"\nTLS-Required: No\n", text)
        self.assertIn(b"\nTLS-Report-Domain: example.net\nTLS-Report-Submitter: mail.example.org\n", text)
        self.assertIn(b"\nSubject: Report Domain: example.net Submitter: mail.example.org Report-ID: <", text)
        ((url, addresses, kind, body),) = self.web.asked
        self.assertEqual(("https://tls.example.net/v1", ["192.0.2.7"]), (url, addresses))
        self.assertEqual("application/tlsrpt+gzip", kind)
        self.assertEqual([gzip.decompress(body)], list(attached_documents(text)))
        rows = [
            (row.policy, row.successes, row.failures, row.reasons) for row in read_tls_report(gzip.decompress(body))
        ]
        self.assertEqual([("no-policy-found", 2, 0, ()), ("sts", 0, 1, ("certificate-expired 1",))], sorted(rows))
        self.round()
        self.assertEqual((1, 1), (len(self.target.taken), len(self.web.asked)))

    def test_domains_that_do_not_ask_and_addresses_are_not_counted(self) -> None:
        for zone in ({}, {RECORD: {"TXT": ["v=TLSRPTv1; rua=ftp://x.example"]}}, {RECORD: FAILS}):
            self.zone = dict(zone)
            self.note(GOOD)
        self.note(TLSOutcome("[192.0.2.1]", NO_POLICY, "192.0.2.1"))
        self.assertEqual([], self.store.days_before(30_000))

    def test_one_way_is_enough(self) -> None:
        self.note(GOOD)
        self.web.code = 500
        self.clock.advance(DAY)
        self.round()
        self.assertEqual(1, len(self.target.taken))
        self.assertEqual([], self.store.days_before(30_000))

    def test_report_that_no_way_takes_waits(self) -> None:
        self.zone[RECORD] = {"TXT": ["v=TLSRPTv1; rua=https://tls.example.net/v1"]}
        self.note(GOOD)
        self.web.code = 500
        self.clock.advance(DAY)
        self.round()
        self.assertEqual([(20_000, "example.net")], self.store.days_before(30_000))
        self.web.code = 204
        self.round()
        self.assertEqual([], self.store.days_before(30_000))
        self.assertEqual(2, len(self.web.asked))

    def test_counts_of_several_processes_are_added(self) -> None:
        for _ in range(3):
            self.note(GOOD)
        self.assertEqual([(TLSSession("no-policy-found"), 3)], self.store.read(20_000, "example.net").rows)

    def test_answer_other_than_yes_is_told(self) -> None:
        self.web.code = 302
        uploader = Uploader(Records(self.zone), cast(HTTPSClient, self.web))
        uploading = Deferred.fromCoroutine(uploader.upload(ReportUpload("https://tls.example.net/", "x/y", b"")))
        self.assertIn("tls.example.net answered 302", str(self.failureResultOf(uploading, RequestFailed).value))
