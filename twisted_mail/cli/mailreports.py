"""`mailserver dmarc` and `mailserver tlsrpt`: what others report about mail of our domains, from the mailbox it is in.

The records of a domain name an address (`rua`) to which others send what they saw.  These commands read the messages
that came there, whether another program has fetched them or not; nothing is changed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from twisted_mail.auth.names import account_address
from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.tables import Row, print_rows, timestamp
from twisted_mail.config import Config
from twisted_mail.interfaces import NoSuchUser, UserDisabled
from twisted_mail.mailbox.store import maildir_of
from twisted_mail.ownership import acting_as, owner_of
from twisted_mail.policy.aggregate import AggregateReport, ReportError, read_report
from twisted_mail.policy.reportmail import attached_documents
from twisted_mail.policy.tlsreport import TLSResult, read_tls_report

MAX_SIZE = 25 * 1024 * 1024
"""Octets of a message that is looked at."""

T = TypeVar("T")


def add_dmarc(parser: Parser) -> None:
    """dmarc reports."""
    _add_reports(parser, "Show what others saw of mail that says it is from your domains (DMARC).", show_dmarc)


def add_tlsrpt(parser: Parser) -> None:
    """tlsrpt reports."""
    _add_reports(parser, "Show how others fared with TLS on the way to your domains (TLSRPT).", show_tls)


def _add_reports(parser: Parser, text: str, run: Callable[[argparse.Namespace], None]) -> None:
    reports = add_command(subcommands(parser), "reports", text, run)
    reports.add_argument("address", metavar="ADDRESS", help="where they arrive: the rua of the record in DNS")
    add_json(reports)


def show_dmarc(arguments: argparse.Namespace) -> None:
    reports = _reports(arguments, read_report)
    rows = [row for report in sorted(reports, key=lambda each: each.begin) for row in _dmarc_rows(report)]
    print_rows(rows, as_json=arguments.json, nothing=f"no DMARC reports in the mailbox of {arguments.address}")


def _dmarc_rows(report: AggregateReport) -> Iterator[Row]:
    for row, count in report.rows:
        yield {
            "from": timestamp(report.begin),
            "reporter": report.organization,
            "domain": row.header_from or report.domain,
            "source": row.source,
            "messages": count,
            "disposition": row.disposition,
            "dkim": row.dkim,
            "spf": row.spf,
            "reason": row.reason,
        }


def show_tls(arguments: argparse.Namespace) -> None:
    results = [result for results in _reports(arguments, read_tls_report) for result in results]
    rows = [_tls_row(result) for result in sorted(results, key=lambda each: each.begin)]
    print_rows(rows, as_json=arguments.json, nothing=f"no TLS reports in the mailbox of {arguments.address}")


def _tls_row(result: TLSResult) -> Row:
    return {
        "from": result.begin,
        "reporter": result.organization,
        "domain": result.domain,
        "policy": result.policy,
        "successes": result.successes,
        "failures": result.failures,
        "reasons": list(result.reasons),
    }


def _reports(arguments: argparse.Namespace, read: Callable[[bytes], T]) -> list[T]:
    """All that *read* can read in the mailboxes that the address leads to."""
    config = configuration(arguments)
    reports = []
    for file in _messages(config, arguments.address):
        with acting_as(owner_of(config.data)):
            octets = file.read_bytes()
        for document in attached_documents(octets):
            try:
                reports.append(read(document))
            except ReportError as error:
                print(f"{file.name}: left out, {error}", file=sys.stderr)
    return reports


def _messages(config: Config, text: str) -> Iterator[Path]:
    address = account_address(text)
    with opened_directory(config) as directory:
        try:
            mailboxes = directory.expansion(address).mailboxes
        except (NoSuchUser, UserDisabled):
            mailboxes = ()
    if not mailboxes:
        raise CommandError(f"{address} has no mailbox here; see: mailserver account list")
    for account in mailboxes:
        for folder in ("new", "cur"):
            with acting_as(owner_of(config.data)), suppress(FileNotFoundError):
                files = sorted(os.scandir(os.path.join(maildir_of(config.data, account), folder)), key=lambda f: f.name)
                found = [Path(file.path) for file in files if file.is_file() and file.stat().st_size <= MAX_SIZE]
                yield from found
