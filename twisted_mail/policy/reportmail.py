"""Reports as messages: the one that we send, and those of others in a message that came (RFC 9990 §2.6, RFC 8460 §5).

What comes is from anybody: all is bounded, also what it unpacks to, and what cannot be read is left out.
"""

from __future__ import annotations

import email
import email.policy
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.utils import format_datetime

from twisted_mail.policy.aggregate import AggregateReport, write_report
from twisted_mail.policy.tlsreport import TLSReport, write_tls_report

MAX_UNPACKED = 20 * 1024 * 1024
"""Octets of a report that are looked at."""
MAX_PARTS = 100
"""Of a message."""


def compose_report(report: AggregateReport, recipients: Sequence[str], now: float) -> bytes:
    """The message, LF line ends (RFC 9990 §2.6)."""
    message = _letter(report, recipients, now)
    message.set_content(
        f"This is what {report.organization} saw on {_day(report)} (UTC) of mail\n"
        f"that says it is from {report.domain}.\n"
        f"You get it because the DMARC record of {report.domain} asks for it.\n"
    )
    _attach(message, report, "gzip", write_report(report), ".xml.gz")
    return message.as_bytes()


def compose_tls_report(report: TLSReport, recipients: Sequence[str], now: float) -> bytes:
    """The message, LF line ends (RFC 8460 §5.3)."""
    message = _letter(report, recipients, now)
    message["TLS-Report-Domain"] = report.domain
    message["TLS-Report-Submitter"] = report.organization
    message["TLS-Required"] = "No"  # also where TLS is what is wrong (RFC 8460 §3, RFC 8689 §5)
    message.set_content(
        f"This is how {report.organization} fared with TLS on the way to {report.domain} on {_day(report)} (UTC).\n"
        f"You get it because the TLSRPT record of {report.domain} asks for it.\n"
    )
    _attach(message, report, "tlsrpt+gzip", write_tls_report(report), f"!{report.id}.json.gz")
    message.replace_header("Content-Type", 'multipart/report; report-type="tlsrpt"')
    message.set_boundary(f"=_{report.id}")
    return message.as_bytes()


def _letter(report: AggregateReport | TLSReport, recipients: Sequence[str], now: float) -> EmailMessage:
    """Its header; who sends it is the report's organization, a host name."""
    hostname = report.organization
    message = EmailMessage(policy=email.policy.SMTP.clone(linesep="\n", max_line_length=200))
    message["From"] = report.email if isinstance(report, AggregateReport) else report.contact
    message["To"] = ", ".join(recipients)
    message["Subject"] = f"Report Domain: {report.domain} Submitter: {hostname} Report-ID: <{report.id}>"
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Message-ID"] = f"<{report.id}@{hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    return message


def _attach(
    message: EmailMessage, report: AggregateReport | TLSReport, subtype: str, document: bytes, ending: str
) -> None:
    name = f"{report.organization}!{report.domain}!{report.begin}!{report.end}{ending}"
    message.add_attachment(gzip.compress(document, mtime=0), maintype="application", subtype=subtype, filename=name)


def _day(report: AggregateReport | TLSReport) -> str:
    return datetime.fromtimestamp(report.begin, UTC).strftime("%Y-%m-%d")


def attached_documents(octets: bytes) -> Iterator[bytes]:
    """Whatever may be a report in a message, unpacked."""
    try:
        parts = list(email.message_from_bytes(octets).walk())
    except (ValueError, LookupError, RecursionError, AttributeError):  # the parser of the library gives up
        return
    for part in parts[:MAX_PARTS]:
        if not part.is_multipart() and _may_be_report(part):
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes) and (document := _unpacked(payload)):
                yield document


def _may_be_report(part: Message) -> bool:
    return part.get_content_maintype() == "application" or part.get_content_subtype() == "xml"


def _unpacked(payload: bytes) -> bytes:
    """Empty where it is too large, or broken."""
    try:
        if payload.startswith(b"\x1f\x8b"):
            unpacking = zlib.decompressobj(wbits=31)
            document = unpacking.decompress(payload, MAX_UNPACKED)
            return b"" if unpacking.unconsumed_tail else document
        if payload.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(payload)) as archive, archive.open(archive.namelist()[0]) as file:
                document = file.read(MAX_UNPACKED + 1)
                return b"" if len(document) > MAX_UNPACKED else document
    except _BROKEN:
        return b""
    return payload if len(payload) <= MAX_UNPACKED else b""


_BROKEN = (
    *(zlib.error, zipfile.BadZipFile, EOFError, IndexError, OSError),
    *(RuntimeError, ValueError),  # an archive with a password, of an unknown kind, with places before its beginning
)
