"""The first page of an administrator: how the server is, and what it did."""

from __future__ import annotations

from contextlib import suppress

from twisted.web.template import Flattenable, tags

from twisted_mail.affairs import IAdministration
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.charts import chart
from twisted_mail.web.frame import framed, live
from twisted_mail.web.layout import table
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

OVERVIEW = "/admin"
_SPANS = (("The last hour", 60, 1), ("The last day", 1440, 15))
"""Heading, minutes, and minutes of a bar."""


async def show(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    overview = administration.overview
    problems = await overview.problems()
    health: list[Flattenable] = [tags.p(f"Not well: {each}", class_="wrong") for each in problems]
    rows: list[tuple[str, Flattenable]] = [] if problems else [("Health", "well")]
    with suppress(OSError):  # a problem that is told already
        rows += await overview.facts()
    trends = overview.trends()
    charts = [
        part
        for heading, minutes, bar in _SPANS
        for part in (tags.h2(heading), tags.div(*[chart(trend, minutes, bar) for trend in trends], class_="cards"))
    ]
    return framed(session, "Overview", live("overview", *health, table(rows) if rows else "", *charts))
