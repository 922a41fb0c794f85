"""A message goes in by submission and comes out by POP3, with what mail programs want of the certificate."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_mail.cli.checks.finding import Finding, Situation, fault, ok
from twisted_mail.cli.dialogue import TrialError
from twisted_mail.cli.roundtrip import travel


def check_round_trip(situation: Situation) -> Iterator[Finding]:
    if situation.trial is None:
        yield fault(f"no message could be sent: {situation.no_trial}", "mailserver try")
        return
    try:
        journey = travel(situation.config, situation.trial, _keep_quiet)
    except TrialError as error:
        yield fault(str(error), "mailserver try   (it shows the whole dialogue)")
        return
    yield ok(f"a message was sent, stored and fetched in {journey.seconds:.2f} seconds")


def _keep_quiet(line: str) -> None:
    """The dialogue is what `mailserver try` shows."""
