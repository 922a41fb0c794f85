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

MAX_UNPACKED = 20 * 1024 * 1024
"""Octets of a report that are looked at."""
MAX_PARTS = 100
"""Of a message."""


def compose_report(report: AggregateReport, recipients: Sequence[str], now: float) -> bytes:
    """The message, LF line ends; who sends it is the report's organization, a host name."""
    hostname = report.organization
    message = EmailMessage(policy=email.policy.SMTP.clone(linesep="\n", max_line_length=200))
    message["From"] = report.email
    message["To"] = ", ".join(recipients)
    message["Subject"] = f"Report Domain: {report.domain} Submitter: {hostname} Report-ID: <{report.id}>"
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Message-ID"] = f"<{report.id}@{hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    day = datetime.fromtimestamp(report.begin, UTC).strftime("%Y-%m-%d")
    message.set_content(
        f"This is what {hostname} saw on {day} (UTC) of mail that says it is from {report.domain}.\n"
        f"You get it because the DMARC record of {report.domain} asks for it.\n"
    )
    message.add_attachment(
        gzip.compress(write_report(report), mtime=0),
        maintype="application",
        subtype="gzip",
        filename=f"{hostname}!{report.domain}!{report.begin}!{report.end}.xml.gz",
    )
    return message.as_bytes()


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
    except (zlib.error, zipfile.BadZipFile, EOFError, IndexError, RuntimeError, NotImplementedError, OSError):
        return b""
    return payload if len(payload) <= MAX_UNPACKED else b""
