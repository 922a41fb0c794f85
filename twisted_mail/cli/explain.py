"""`mailserver explain`: what became of a message, or what happened at a time, told from the journal."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

from twisted_mail.cli.commandline import CommandError, Parser, add_json, be_command
from twisted_mail.cli.opening import configuration
from twisted_mail.config import Config
from twisted_mail.ownership import acting_as, owner_of
from twisted_mail.records.journal import Record, files
from twisted_mail.records.moments import parse_span
from twisted_mail.records.search import between, moment_of_file
from twisted_mail.records.story import Story, stories
from twisted_mail.records.telling import moment, record_lines, story_lines

SHOWN = 10
"""Messages of an address."""
MOST_RECORDS = 10_000
"""Of a span of time."""


def add_family(parser: Parser) -> None:
    """explain WHAT."""
    be_command(parser, explain)
    parser.add_argument(
        "what",
        metavar="WHAT",
        nargs="+",
        help="a Message-ID; the id of a message or a session, as in the log; an address; or a time in UTC, "
        'as in "2026-11-21 05:10" or "10 minutes ago"',
    )
    parser.add_argument(
        "--last", type=int, default=SHOWN, metavar="N", help=f"messages of an address (default {SHOWN})"
    )
    add_json(parser)


def explain(arguments: argparse.Namespace) -> None:
    config = configuration(arguments)
    what = " ".join(arguments.what)
    span = parse_span(what, time.time())
    with acting_as(owner_of(config.data)):
        if span is not None:
            _print_span(config, span, arguments.json)
            return
        found = stories(config.journal_folder, what, max(1, arguments.last))
        if not found:
            raise CommandError(f"the journal knows nothing of {what}; {_extent(config)}")
    _print_stories(found, arguments.json)


def _print_span(config: Config, span: tuple[float, float], as_json: bool) -> None:
    records = between(config.journal_folder, *span)
    if len(records) > MOST_RECORDS:
        raise CommandError(f"{len(records)} things happened then; name a shorter time")
    if not records and not as_json:
        raise CommandError(f"nothing happened from {moment(span[0])} to {moment(span[1])} UTC; {_extent(config)}")
    if as_json:
        print(json.dumps(records, indent=2))
        return
    for record in records:
        print("\n".join(record_lines(record)))


def _print_stories(found: Sequence[Story], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_as_object(story) for story in found], indent=2))
        return
    print("\n\n".join("\n".join(story_lines(story)) for story in found))


def _as_object(story: Story) -> dict[str, str | list[Record]]:
    return {"id": story.id, "records": list(story.records)}


def _extent(config: Config) -> str:
    """From when on the journal knows something."""
    kept = files(config.journal_folder)
    if not kept:
        return "there is no journal yet: it begins with the first start of the server, if [journal] keep allows it"
    return f"it begins at {moment(moment_of_file(kept[0]))[:-4]} UTC, and is a second behind"
