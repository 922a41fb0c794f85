"""Reports about TLS on the way to a domain, where its TLSRPT record asks for them (RFC 8460).

Each connection to one of its servers is counted once DNS has said that the owner wants to know; mail does not wait for
that.  What DNS does not answer is not counted.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_mail.policy.counting import Counting
from twisted_mail.policy.dns import LookupFailed, Lookups, is_name
from twisted_mail.policy.reporting import ReportLetter, ReportUpload
from twisted_mail.policy.reportmail import compose_tls_report
from twisted_mail.policy.resultstore import DAY, Day
from twisted_mail.policy.tlsreport import TLSReport, TLSSession, write_tls_report
from twisted_mail.smtp.address import Address, AddressError, parse_address
from twisted_mail.tlsoutcome import NoteOutcome, TLSOutcome

LONGEST_RECORD = 10_000
MAX_PLACES = 10
"""URIs of a record that are looked at."""
LONGEST_REASON = 200
CONTENT_TYPE = "application/tlsrpt+gzip"

_log = Logger()


def noting(counting: Counting[TLSSession], lookups: Lookups) -> NoteOutcome:
    """What is told of each connection."""

    async def count(outcome: TLSOutcome) -> None:
        try:
            wanted = places_in(await lookups.txt(_record_name(outcome.domain)))
        except LookupFailed:
            return
        if wanted:
            counting.add(outcome.domain, "", session_of(outcome))

    def note(outcome: TLSOutcome) -> None:
        if not outcome.domain.startswith("["):  # an address has no owner in DNS
            Deferred.fromCoroutine(count(outcome)).addErrback(
                lambda failure: _log.failure("a connection to {domain} is not counted", failure, domain=outcome.domain)
            )

    return note


def session_of(outcome: TLSOutcome) -> TLSSession:
    """In the words of a report; good ones are all alike."""
    published, flaw = outcome.published, outcome.flaw
    if flaw is None:
        return TLSSession(published.kind, published.lines, published.hosts)
    return TLSSession(
        published.kind,
        published.lines,
        published.hosts,
        flaw.failure.value,
        outcome.own_address,
        outcome.host,
        outcome.address,
        re.sub(r"[^ -~]+", " ", flaw.reason)[:LONGEST_REASON],
    )


class TLSReports:
    """From *sender*, an address of *hostname*'s administrator."""

    def __init__(self, lookups: Lookups, sender: Address, hostname: str) -> None:
        self._lookups = lookups
        self._sender = sender
        self._hostname = hostname

    async def compose(self, day: Day[TLSSession], identifier: str, now: float) -> Sequence[ReportLetter | ReportUpload]:
        places = places_in(await self._lookups.txt(_record_name(day.domain)))
        begin = day.day * DAY
        contact = str(self._sender)
        report = TLSReport(self._hostname, contact, identifier, begin, begin + DAY - 1, day.domain, day.rows)
        ways: list[ReportLetter | ReportUpload] = []
        if places.addresses:
            text = compose_tls_report(report, [str(each) for each in places.addresses], now)
            ways.append(ReportLetter(self._sender, places.addresses, text))
        document = gzip.compress(write_tls_report(report), mtime=0)
        return [*ways, *(ReportUpload(url, CONTENT_TYPE, document) for url in places.urls)]


# ---- the record (RFC 8460 §3)


@dataclass(frozen=True, slots=True)
class Places:
    """Where reports shall go; false where there are none."""

    addresses: Sequence[Address] = ()
    urls: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.addresses or self.urls)


def _record_name(domain: str) -> str:
    return f"_smtp._tls.{domain}"


def places_in(texts: Sequence[bytes]) -> Places:
    """Of the TXT records there; several TLSRPT ones count as none.  What cannot be read is left out."""
    records = [text for text in texts if re.match(rb"v=TLSRPTv1[ \t]*;", text)]
    if len(records) != 1:
        return Places()
    match = re.search(rb";[ \t]*rua[ \t]*=([^;]*)", records[0][:LONGEST_RECORD])
    uris = match.group(1).decode("latin-1").split(",")[:MAX_PLACES] if match else []
    read = [_place(uri.strip()) for uri in uris]
    return Places(
        [each for each in read if isinstance(each, Address)], [each for each in read if isinstance(each, str)]
    )


def _place(uri: str) -> Address | str | None:
    """A mail address, or an HTTPS address as it is."""
    try:
        parts = urlsplit(uri)
        if parts.scheme == "mailto":
            return parse_address(unquote(parts.path))
        is_web = parts.scheme == "https" and is_name(parts.hostname or "") and parts.port != 0
        return uri if is_web and re.fullmatch(r"[!-~]+", uri) else None
    except (AddressError, ValueError):
        return None
