"""Reports: written and read again, those of others, hostile ones, and the day's round of sending."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.policy.records import FAILS, Records
from tests.targets import UnreliableTarget
from twisted_mail.policy.aggregate import AggregateReport, ReportError, Row, read_report, write_report
from twisted_mail.policy.dmarcreports import DMARCReports
from twisted_mail.policy.reporting import KEPT, Reporting, ReportUpload
from twisted_mail.policy.reportmail import MAX_UNPACKED, attached_documents, compose_report, compose_tls_report
from twisted_mail.policy.resultstore import DAY, ResultStore
from twisted_mail.policy.tlsreport import TLSReport, TLSSession, read_tls_report, write_tls_report
from twisted_mail.smtp.address import parse_address

ROW = Row(
    source="192.0.2.1",
    disposition="none",
    dkim="fail",
    spf="pass",
    header_from="example.net",
    envelope_from="example.net",
    spf_domain="example.net",
    spf_result="pass",
    signatures=(("example.net", "s1", "fail"), ("other.example", "x", "pass")),
    reason="trusted_forwarder",
    comment="arc=pass <&> \x00",
)
REPORT = AggregateReport(
    "mail.example.org", "dmarc@example.org", "0192", 86_400, 172_799, "example.net", [("p", "reject")], [(ROW, 7)]
)
OLD = b"""<?xml version="1.0" encoding="UTF-8" ?>
<feedback><report_metadata><org_name>google.com</org_name><email>x@google.com</email><report_id>1</report_id>
<date_range><begin>1</begin><end>2</end></date_range></report_metadata>
<policy_published><domain>example.org</domain><p>none</p><pct>100</pct></policy_published>
<record><row><source_ip>2001:db8::1</source_ip><count>3</count><policy_evaluated><disposition>none</disposition>
<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>example.org</header_from></identifiers>
<auth_results><spf><domain>example.org</domain><result>softfail</result></spf></auth_results></record></feedback>"""
TLS = b"""{"organization-name": "Company-X", "date-range": {"start-datetime": "2016-04-01T00:00:00Z",
"end-datetime": "2016-04-01T23:59:59Z"}, "contact-info": "sts@company-x.example", "report-id": "5065427c",
"policies": [{"policy": {"policy-type": "sts", "policy-domain": "company-y.example"},
"summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
"failure-details": [{"result-type": "certificate-expired", "failed-session-count": 100}]}]}"""


def test_what_is_written_is_read() -> None:
    again = read_report(write_report(REPORT))
    (row, count), *_ = again.rows
    assert count == 7
    assert row.comment == "arc=pass <&> ?"
    assert (row.source, row.signatures, row.reason) == (ROW.source, ROW.signatures, ROW.reason)
    assert (again.organization, again.begin, again.end, again.published) == (
        "mail.example.org",
        86_400,
        172_799,
        [("p", "reject")],
    )


def test_older_form_is_read() -> None:
    report = read_report(OLD)
    assert report.organization == "google.com"
    assert [(row.source, count, row.spf_result) for row, count in report.rows] == [("2001:db8::1", 3, "softfail")]


LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><feedback>&b;</feedback>'


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<feedback>",
        b"<html/>",
        OLD.replace(b"<count>3", b"<count>many"),
        LAUGHS,
        LAUGHS.decode().encode("utf-16"),
        b'<!DOCTYPE f SYSTEM "file:///etc/passwd"><feedback/>',
        b"<feedback>" * 100_000,
        b'<?xml version="1.0" encoding="nonsense"?><feedback/>',
    ],
)
def test_what_is_no_report_is_refused(document: bytes) -> None:
    with pytest.raises(ReportError):
        read_report(document)


@given(st.binary(max_size=300) | st.text("<>/!&;feedbackrow0123 ", max_size=200).map(str.encode))
def test_any_document_is_read_or_refused(document: bytes) -> None:
    for read in (read_report, read_tls_report):
        try:
            read(document)
        except ReportError:
            continue


@pytest.mark.parametrize("count", [b"1e999", b"NaN", b'"many"', b"null", b"[]"])
def test_tls_report_whose_numbers_are_none_is_refused(count: bytes) -> None:
    with pytest.raises(ReportError):
        read_tls_report(TLS.replace(b"5326", count))


def test_tls_report_is_read() -> None:
    (result,) = read_tls_report(TLS)
    assert (result.organization, result.domain, result.policy) == ("Company-X", "company-y.example", "sts")
    assert (result.successes, result.failures, result.reasons) == (5326, 303, ("certificate-expired 100",))


SESSIONS = [
    (TLSSession("no-policy-found"), 5),
    (TLSSession("sts", ("version: STSv1", "mode: enforce"), ("*.example.net",)), 2),
    (
        TLSSession(
            "sts",
            ("version: STSv1", "mode: enforce"),
            ("*.example.net",),
            "certificate-expired",
            receiving_host="mx.example.net",
        ),
        3,
    ),
]


def test_tls_report_that_is_written_is_read() -> None:
    report = TLSReport("mail.example.org", "x@example.org", "0192", 86_400, 172_799, "example.net", SESSIONS)
    document = write_tls_report(report)
    rows = [(row.policy, row.successes, row.failures, row.reasons) for row in read_tls_report(document)]
    assert rows == [("no-policy-found", 5, 0, ()), ("sts", 2, 3, ("certificate-expired 3",))]
    assert read_tls_report(document)[0].begin == "1970-01-02T00:00:00Z"
    text = compose_tls_report(report, ["d@example.net"], 1_795_219_200)
    assert list(attached_documents(text)) == [document]
    parsed = message_from_bytes(text)
    assert (parsed.get_content_type(), parsed.get_param("report-type")) == ("multipart/report", "tlsrpt")
    assert parsed["TLS-Report-Domain"] == "example.net"
    assert [part.get_content_type() for part in parsed.get_payload()] == ["text/plain", "application/tlsrpt+gzip"]


def test_sessions_come_back_from_the_store_as_they_were(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path / "tls.sqlite"), TLSSession)
    for session, count in SESSIONS:
        for _ in range(count):
            store.count(0.0, "example.net", "", session)
    store.write(store.take())
    assert dict(store.read(0, "example.net").rows) == dict(SESSIONS)
    store.close()
    store.write(store.take())  # a thread that is late


def zipped(document: bytes) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.xml", document)
    return octets.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, zipped, bytes])
def test_report_is_found_however_it_is_packed(pack: Any) -> None:
    message = EmailMessage()
    message.set_content("see below")
    message.add_attachment(pack(OLD), maintype="application", subtype="octet-stream", filename="report")
    assert list(attached_documents(message.as_bytes())) == [OLD]


@pytest.mark.parametrize("pack", [gzip.compress, zipped])
def test_what_unpacks_to_too_much_is_left_out(pack: Any) -> None:
    message = EmailMessage()
    message.set_content(pack(bytes(MAX_UNPACKED + 1)), maintype="application", subtype="gzip")
    assert list(attached_documents(message.as_bytes())) == []


def test_archive_that_names_a_place_before_its_beginning_is_left_out() -> None:
    broken = zipped(OLD)[8:]
    assert list(attached_documents(b"Content-Type: application/zip\n\nPK" + broken)) == []


@given(st.binary(max_size=300), st.sampled_from([b"\x1f\x8b\x08\x00", b"PK\x03\x04", b""]))
def test_any_message_is_looked_at(octets: bytes, magic: bytes) -> None:
    list(attached_documents(octets))
    list(attached_documents(b"Content-Type: application/gzip\n\n" + magic + octets))


async def no_upload(report: ReportUpload) -> None:
    raise AssertionError(report)


class RoundTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(20_000 * DAY)
        folder = self.mktemp()
        os.mkdir(folder)
        self.store = ResultStore(os.path.join(folder, "dmarc.sqlite"), Row)
        self.addCleanup(self.store.close)
        self.target = UnreliableTarget()
        self.zone: dict[str, Any] = {
            "_dmarc.example.net": {"TXT": ["v=DMARC1; p=reject; rua=mailto:d@example.net,mailto:victim@example.com"]},
        }

    def count(self, domain: str = "example.net", number: int = 3, record: str = "v=DMARC1; p=none") -> None:
        for _ in range(number):
            self.store.count(self.clock.seconds(), domain, record, ROW)
        self.store.write(self.store.take())

    def round(self) -> list[tuple[list[str], bytes]]:
        """What was sent: to whom, and the text."""
        reports = DMARCReports(Records(self.zone), parse_address("dmarc@example.org"), "mail.example.org")
        reporting = Reporting(self.store, reports, self.target, no_upload, execute, self.clock)
        self.successResultOf(Deferred.fromCoroutine(reporting.report()))
        sent = [([str(each.address) for each in to], text) for _, to, text in self.target.taken]
        self.target.taken.clear()
        return sent

    def test_day_is_reported_once_when_it_is_over(self) -> None:
        self.count()
        self.count(number=2)
        self.assertEqual([], self.round())
        self.clock.advance(DAY)
        ((recipients, text),) = self.round()
        self.assertEqual(["d@example.net"], recipients)  # the other one has not agreed
        (document,) = attached_documents(text)
        report = read_report(document)
        self.assertEqual((20_000 * DAY, 20_001 * DAY - 1), (report.begin, report.end))
        self.assertEqual([5], [count for _, count in report.rows])
        self.assertIn(("p", "reject"), report.published)
        self.assertEqual([], self.round())

    def test_others_get_reports_if_they_have_agreed(self) -> None:
        self.zone["example.net._report._dmarc.example.com"] = {"TXT": ["v=DMARC1"]}
        self.count()
        self.clock.advance(DAY)
        ((recipients, _),) = self.round()
        self.assertEqual(["d@example.net", "victim@example.com"], recipients)

    def test_domain_that_asks_no_more_is_told_nothing(self) -> None:
        self.zone["_dmarc.example.net"] = {"TXT": ["v=DMARC1; p=reject"]}
        self.count()
        self.clock.advance(DAY)
        self.assertEqual([], self.round())
        self.assertEqual([], self.store.days_before(30_000))

    def test_report_waits_for_dns_and_for_the_queue_some_days(self) -> None:
        self.count()
        self.clock.advance(DAY)
        zone, self.zone = self.zone, {"_dmarc.example.net": FAILS}
        self.assertEqual([], self.round())
        self.zone = zone
        self.target.fails_at = "add"
        self.assertEqual([], self.round())
        self.target.fails_at = ""
        self.assertEqual(1, len(self.round()))
        self.count()
        self.zone = {"_dmarc.example.net": FAILS}
        self.clock.advance(KEPT * DAY)
        self.assertEqual([], self.round())
        self.assertEqual([], self.store.days_before(30_000))

    def test_number_of_kinds_is_bounded(self) -> None:
        for number in range(11_000):
            self.store.count(0, "example.net", "", Row(str(number), "none", "fail", "fail", "example.net"))
        self.store.write(self.store.take())
        self.store.count(0, "example.net", "", Row("more", "none", "fail", "fail", "example.net"))
        self.store.write(self.store.take())
        self.assertEqual(10_000, len(self.store.read(0, "example.net").rows))


def test_report_is_a_message_with_a_packed_attachment() -> None:
    text = compose_report(REPORT, ["d@example.net"], 1_795_219_200)
    assert b"\r" not in text
    assert b"Subject: Report Domain: example.net Submitter: mail.example.org Report-ID: <0192>\n" in text
    assert b'filename="mail.example.org!example.net!86400!172799.xml.gz"' in text
    assert list(attached_documents(text)) == [write_report(REPORT)]
