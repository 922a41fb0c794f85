"""Fuzzing of what anybody says of mail: From and Authentication-Results in it, and reports about it.

    python -m tests.fuzz.reports --inputs 200000 [--seed 1] [--only packed]

Whatever is written, it is read in bounded time and memory, no forged result of ours stays, and what is shown is text.
A failure names the seed of its input: `--seed N --inputs 1` repeats it.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from random import Random

from tests.fuzz import longrun
from tests.fuzz.noise import changed, check_words, made_of, octets_of
from tests.policy.test_aggregate import OLD, REPORT, TLS, zipped
from twisted_mail.message.header import fields
from twisted_mail.policy.aggregate import LONGEST_TEXT, ReportError, read_report, write_report
from twisted_mail.policy.authors import MAX_AUTHORS, author_domains
from twisted_mail.policy.authresults import MAX_READ, MethodResult, authentication_results, read_results
from twisted_mail.policy.authresults import without_results_of as without
from twisted_mail.policy.reportmail import MAX_PARTS, MAX_UNPACKED, attached_documents
from twisted_mail.policy.tlsreport import read_tls_report
from twisted_mail.smtp.address import parse_domain

LIMIT = 1.0
"""Seconds of processor time for one input, however hostile."""

US = "mail.example.org"
RESULTS = (
    *("Authentication-Results:", "authentication-results :", "ARC-Authentication-Results: i=1;", "Subject: x", "From:"),
    *(" mail.example.org", "mail.example.org;", '"mail.example.org"', "(", ")", "\\", '"', ";", "\n", "\n ", " 1", "."),
    *("spf=pass", " smtp.mailfrom=a@b.example", "dkim/1 = fail", " header.d=b", ' reason="x"', "mx.other.example;"),
)
AUTHORS = (
    *("From: ", "a@example.org", "<b@example.net>", '"x" ', ", ", "staff:", ";", "(c)", "@", "\n ", "\nFrom: ", "["),
    *("=?utf-8?q?x=40y=2Eexample?=", "a@xn--bcher-kva.example", "a@bücher.example", "@a,@b:c@d.example", "<", ">"),
)


def fuzz_results(random: Random) -> None:
    """Fields that pretend to be ours go, as an obvious reader sees them; others stay as they are."""
    text = made_of(random, RESULTS, 30)
    header = octets_of(changed(random, text) if random.random() < 0.3 else text).rstrip(b"\n") + b"\n\n"
    left = without(US, header)
    assert without(US, left) == left
    stayed = [octets for name, octets in fields(left) if name == "authentication-results"]
    assert US not in map(obvious_author, stayed)
    assert [each for each in fields(left) if each[1] not in stayed] == [
        each for each in fields(header) if each[0] != "authentication-results"
    ]
    results = read_results(header)
    assert len(results) <= MAX_READ
    field = authentication_results(US, [*results, MethodResult("x", "none", {}, header.decode("latin-1"))])
    assert len(list(fields(field + b"\n"))) == 1


def obvious_author(field: bytes) -> str:
    """The authserv-id (RFC 8601 §2.2), read character by character."""
    depth, name, quoted, escaped = 0, "", False, False
    for character in field.partition(b":")[2].decode("latin-1"):
        if escaped:
            escaped = False
            name += "" if depth else character
        elif character == "\\" and (depth or quoted):
            escaped = True
        elif quoted:
            if character == '"':
                break
            name += character
        elif character in "()":
            if character == "(" and not depth and name:
                break
            depth = max(0, depth + (1 if character == "(" else -1))
        elif depth:
            continue
        elif character == '"' and not name:
            quoted = True
        elif character.isspace() or character in ';"':
            if name or character == ";":
                break
        else:
            name += character
    return name.lower().removesuffix(".")


def fuzz_authors(random: Random) -> None:
    """Whoever stands in From, the domains can be asked for; the plain ones are among them."""
    text = "From: " + made_of(random, AUTHORS, 12)
    header = changed(random, text).encode("utf-8", "replace") + b"\n\n"
    domains = author_domains(header)
    assert len(domains) <= MAX_AUTHORS
    assert [parse_domain(domain) for domain in domains] == list(domains)
    plain = random.choice(("a@victim.example", "A B <a@victim.example>", '"x@y" <a@victim.example>'))
    assert "victim.example" in author_domains(b"From: " + plain.encode() + b"\n" + header)


def fuzz_documents(random: Random) -> None:
    """Reports, changed."""
    for document in (OLD, write_report(REPORT), TLS):
        read(octets_of(changed(random, document.decode())))


def fuzz_packed(random: Random) -> None:
    """Messages with reports in them, packed in any way."""
    message = EmailMessage()
    message.set_content("a report")
    for _ in range(random.choice((1, 1, 2, 200)) if random.random() < 0.1 else 1):
        document = random.choice((OLD, TLS, b"{}", b"<feedback/>"))
        kind = random.choice(("gzip", "zip", "tlsrpt+gzip", "octet-stream", "xml"))
        message.add_attachment(packed(random, document), maintype="application", subtype=kind)
    octets = message.as_bytes()
    if random.random() < 0.5:
        octets = octets_of(changed(random, octets.decode("latin-1")))
    documents = list(attached_documents(octets))
    assert len(documents) <= MAX_PARTS
    for document in documents:
        assert len(document) <= MAX_UNPACKED
        read(document)


def packed(random: Random, document: bytes) -> bytes:
    payload = random.choice((gzip.compress, zipped, bytes))(document)
    return octets_of(changed(random, payload.decode("latin-1"))) if random.random() < 0.5 else payload


def read(document: bytes) -> None:
    """Both ways.  What is shown of it is one line."""
    try:
        report = read_report(document)
    except ReportError as error:
        check_words(str(error))
    else:
        for row, count in report.rows:
            check_lines(row.source, row.disposition, row.dkim, row.spf, row.header_from, row.reason)
            assert count >= 0
        check_lines(report.organization, report.email, report.id, report.domain)
    try:
        results = read_tls_report(document)
    except ReportError as error:
        check_words(str(error))
    else:
        for result in results:
            check_lines(result.organization, result.begin, result.domain, result.policy, *result.reasons)


def check_lines(*texts: str) -> None:
    for text in texts:
        assert len(text) <= LONGEST_TEXT + 50
        assert "\n" not in text
        assert not any(ord(character) < 32 for character in text)
        text.encode()


TARGETS: dict[str, Callable[[Random], None]] = {
    "results": fuzz_results,
    "authors": fuzz_authors,
    "documents": fuzz_documents,
    "packed": fuzz_packed,
}


def run(name: str, random: Random) -> None:
    """One input of a target, in its time."""
    longrun.bounded(TARGETS[name], random, LIMIT)


if __name__ == "__main__":
    longrun.run(__doc__, {name: partial(run, name) for name in TARGETS}, 50_000)
