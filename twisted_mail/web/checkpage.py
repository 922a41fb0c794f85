"""The administrator's page of checks: what is wrong, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.affairs import CheckReport, IAdministration, Verdict
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.forms import one_button
from twisted_mail.web.frame import framed, grid, live, moment
from twisted_mail.web.gate import redirect
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

CHECKS = "/admin/checks"


async def show(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    return framed(
        session,
        "Checks",
        tags.p("Configuration, ports, certificate, files, disk, clock, DNS, queue, and a message there and back."),
        one_button(session, CHECKS, "run", "Run all checks"),
        live("report", *_report(administration.checks.report)),
    )


async def take(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    administration.checks.start()
    return redirect(CHECKS)


def _report(report: CheckReport) -> list[Flattenable]:
    if report.is_running:
        return [tags.p("The checks are running. This page shows what they find; without a script: load it again.")]
    if report.at is None:
        return [tags.p("They have not been run since the server started.")]
    if report.failure:
        return [tags.p(report.failure, class_="wrong")]
    return [tags.p("As of ", moment(report.at), " UTC."), _table(report.verdicts)]


def _table(verdicts: Sequence[Verdict]) -> Tag:
    rows = [
        (
            tags.span(each.level, class_=f"level-{each.level}"),
            each.check,
            [each.text, tags.pre(each.remedy) if each.remedy else ""],
        )
        for each in verdicts
    ]
    return grid(("Level", "Check", "Finding"), rows)
