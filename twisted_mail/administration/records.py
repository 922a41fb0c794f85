"""What has happened, as the page tells it: from the journal, in the words of `mailserver explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zope.interface import implementer

from twisted_mail.administration.own import Means
from twisted_mail.affairs import Happening, IRecords, Kind, StoryFacts
from twisted_mail.records.journal import Record
from twisted_mail.records.moments import parse_span
from twisted_mail.records.search import between, newest, time_of
from twisted_mail.records.story import ids_in, stories
from twisted_mail.records.telling import tell

MOST = 500
"""Happenings of a span of time."""

_SESSIONS = ("connection.", "client.", "command.", "login.", "session.")
_FAULTS = ("fault", "worker.ended", "committer.ended", "journal.lost", "queue.damaged", "report.failed")
_BESIDE_MAIL = (*_SESSIONS, "fault", "worker.", "journal.", "web.", "page.")
_KINDS: Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Kind.MESSAGES: (("",), _BESIDE_MAIL),
    Kind.SESSIONS: (_SESSIONS, ()),
    Kind.FAULTS: (_FAULTS, ()),
    Kind.EVERYTHING: (("",), ("web.",)),
}
"""How the names of events begin that are meant, and of those among them that are not."""


@implementer(IRecords)
class Records:
    """Those in one folder."""

    def __init__(self, folder: str, means: Means) -> None:
        self._folder = folder
        self._means = means

    async def recent(self, kind: Kind, wanted: str, limit: int) -> Sequence[Happening]:
        meant, but_not = _KINDS[kind]

        def is_meant(record: Record) -> bool:
            event = str(record.get("event"))
            return event.startswith(meant) and not (but_not and event.startswith(but_not))

        found = await self._means.change(lambda: newest(self._folder, is_meant, limit, wanted))
        return [*map(_happening, found)]

    async def stories(self, question: str, limit: int) -> Sequence[StoryFacts]:
        span = parse_span(question, self._means.clock.seconds())
        if span is not None:
            records = await self._means.change(lambda: between(self._folder, *span)[-MOST:])
            return [StoryFacts("", [*map(_happening, records)])] if records else []
        found = await self._means.change(lambda: stories(self._folder, question, limit))
        return [StoryFacts(story.id, [*map(_happening, story.records)]) for story in found]


def _happening(record: Record) -> Happening:
    said = "\n".join(str(record[name]) for name in ("dialogue", "error") if record.get(name))
    identifiers = ids_in(record)
    question = identifiers[0] if len(identifiers) == 1 else str(record.get("session") or "")
    return Happening(time_of(record), tell(record), said, question)
