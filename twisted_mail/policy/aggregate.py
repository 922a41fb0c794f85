"""Aggregate reports: what was seen of a domain's mail in a day, as XML, written and read (RFC 9990; RFC 7489 App. C).

What is read comes from anybody: it is parsed without entities, within bounds, and whatever it holds is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
MAX_DEPTH = 20
MAX_ELEMENTS = 500_000
LONGEST_TEXT = 1000


class ReportError(ValueError):
    """Not a report; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """Messages that were alike, in the words of the report."""

    source: str
    """IP address."""
    disposition: str
    """`pass`, `none`, `quarantine` or `reject`."""
    dkim: str
    """`pass` or `fail`: whether a signature is good and the author's."""
    spf: str
    header_from: str
    envelope_from: str = ""
    spf_domain: str = ""
    spf_result: str = ""
    signatures: tuple[tuple[str, str, str], ...] = ()
    """Domain, selector and result of each."""
    reason: str = ""
    """Why the disposition is not what the policy says; empty: it is."""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class AggregateReport:
    organization: str
    email: str
    id: str
    begin: int
    """Seconds since 1970; also `end`, which is the last second."""
    end: int
    domain: str
    published: Sequence[tuple[str, str]]
    """`p`, `sp` and the like."""
    rows: Sequence[tuple[Row, int]]
    """With the number of messages."""


# ---- writing


def write_report(report: AggregateReport) -> bytes:
    """The XML document, UTF-8."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<feedback xmlns="{NAMESPACE}">',
        "<version>1.0</version>",
        "<report_metadata>",
        *_elements(("org_name", report.organization), ("email", report.email), ("report_id", report.id)),
        f"<date_range><begin>{report.begin}</begin><end>{report.end}</end></date_range>",
        "</report_metadata>",
        "<policy_published>",
        *_elements(("domain", report.domain), *report.published, ("discovery_method", "treewalk")),
        "</policy_published>",
        *(line for row, count in report.rows for line in _record(row, count)),
        "</feedback>\n",
    ]
    return "\n".join(lines).encode()


def _record(row: Row, count: int) -> Iterator[str]:
    yield "<record><row>"
    yield from _elements(("source_ip", row.source), ("count", str(count)))
    yield "<policy_evaluated>"
    yield from _elements(("disposition", row.disposition), ("dkim", row.dkim), ("spf", row.spf))
    if row.reason:
        yield "<reason>" + "".join(_elements(("type", row.reason), ("comment", row.comment))) + "</reason>"
    yield "</policy_evaluated></row><identifiers>"
    yield from _elements(("header_from", row.header_from), ("envelope_from", row.envelope_from))
    yield "</identifiers><auth_results>"
    for domain, selector, result in row.signatures:
        yield "<dkim>" + "".join(_elements(("domain", domain), ("selector", selector), ("result", result))) + "</dkim>"
    if row.spf_domain:
        yield "<spf>" + "".join(_elements(("domain", row.spf_domain), ("result", row.spf_result))) + "</spf>"
    yield "</auth_results></record>"


def _elements(*pairs: tuple[str, str]) -> list[str]:
    """Those that are not empty."""
    return [f"<{name}>{escape(_xml_text(text))}</{name}>" for name, text in pairs if text]


def _xml_text(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return re.sub(r"[^\t\n -\ud7ff\ue000-\ufffd]", "?", text)


# ---- reading


@dataclass(slots=True)
class _Element:
    name: str
    text: str = ""
    children: list[_Element] = field(default_factory=list)

    def all(self, path: str) -> list[_Element]:
        found = [self]
        for name in path.split("/"):
            found = [child for element in found for child in element.children if child.name == name]
        return found

    def get(self, path: str) -> str:
        """The text of the first one, one line; empty where there is none."""
        found = self.all(path)
        return re.sub(r"[^!-~\xa1-\uffff]+", " ", found[0].text).strip()[:LONGEST_TEXT] if found else ""

    def number(self, path: str) -> int:
        text = self.get(path)
        if not re.fullmatch(r"[0-9]{1,12}", text):
            raise ReportError(f"{path} is no number")
        return int(text)


def read_report(document: bytes) -> AggregateReport:
    """Raises ReportError."""
    root = _parse(document)
    if root.name != "feedback":
        raise ReportError(f"begins with {root.name[:50]}")
    published = [(child.name, child.text.strip()) for each in root.all("policy_published") for child in each.children]
    return AggregateReport(
        root.get("report_metadata/org_name"),
        root.get("report_metadata/email"),
        root.get("report_metadata/report_id"),
        root.number("report_metadata/date_range/begin"),
        root.number("report_metadata/date_range/end"),
        root.get("policy_published/domain"),
        [pair for pair in published if pair[0] not in ("domain", "discovery_method")],
        [(_row(record), record.number("row/count")) for record in root.all("record")],
    )


def _row(record: _Element) -> Row:
    return Row(
        source=record.get("row/source_ip"),
        disposition=record.get("row/policy_evaluated/disposition"),
        dkim=record.get("row/policy_evaluated/dkim"),
        spf=record.get("row/policy_evaluated/spf"),
        header_from=record.get("identifiers/header_from"),
        envelope_from=record.get("identifiers/envelope_from"),
        spf_domain=record.get("auth_results/spf/domain"),
        spf_result=record.get("auth_results/spf/result"),
        signatures=tuple(
            (each.get("domain"), each.get("selector"), each.get("result")) for each in record.all("auth_results/dkim")
        ),
        reason=record.get("row/policy_evaluated/reason/type"),
        comment=record.get("row/policy_evaluated/reason/comment"),
    )


class _Reader:
    """Builds the tree; what would make it grow beyond bounds, or refer to something else, ends it."""

    def __init__(self) -> None:
        self.root: _Element | None = None
        self._open: list[_Element] = []
        self._count = 0

    def start(self, name: str, attributes: object) -> None:
        self._count += 1
        if len(self._open) >= MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise ReportError("it has too many elements")
        element = _Element(name.rpartition(" ")[2])
        if self._open:
            self._open[-1].children.append(element)
        elif self.root is None:
            self.root = element
        self._open.append(element)

    def end(self, name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        if len(self._open[-1].text) < LONGEST_TEXT:
            self._open[-1].text += text

    def declaration(self, *declared: object) -> None:
        raise ReportError("it declares a document type")


def _parse(document: bytes) -> _Element:
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.declaration  # no document type, no entities
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise ReportError(f"it is not XML ({error})") from error
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise ReportError(str(error)) from error
    if reader.root is None:
        raise ReportError("it is empty")
    return reader.root
