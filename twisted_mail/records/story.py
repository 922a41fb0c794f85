"""What became of a message: all records of the journal that belong to it, from whatever somebody knows of it.

Each message has a story of its own, by our id.  To it belong the records with that id (the queue's begins with it, a
unique-id in POP3 contains it), and of the sessions that brought or fetched it what concerns it: the login, and before
the message was taken the addresses that were expanded or refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from twisted_mail.records.journal import Record
from twisted_mail.records.search import find, time_of

ID = re.compile(r"[0-9a-f]{32}")
_IN_TEXT = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_SESSION = re.compile(r"[0-9a-f]{12}")
NAMES_A_MESSAGE = ("id", "uid", "uids", "report", "file")
"""Fields in which our id of a message may stand."""
_ADDRESSES = ("sender", "recipient", "recipients", "mailboxes", "outside", "user", "account")
_OF_THE_SESSION = ("login.accepted", "client.introduced")
_BEFORE_THE_MESSAGE = ("address.expanded", "message.refused", "message.filtered", "filter.failed", "command.refused")
_AFTER_FETCHING = ("session.ended", "session.lost")
_AT_THE_END = "dialogue.kept"
MOST_MESSAGES = 200
"""That one question can lead to."""


@dataclass(frozen=True, slots=True)
class Story:
    """*id*: of the message; empty for what did not become one."""

    id: str
    records: Sequence[Record]


def stories(folder: str, question: str, limit: int) -> list[Story]:
    """Those of the last *limit* messages that *question* leads to, the oldest first.

    *question*: a Message-ID, our id of a message or its first eight digits or more, that in the queue, a session's, or
    an address; in the last case also refusals that did not become a message.
    """
    seeds = _seeds(folder, question)
    ids = list(dict.fromkeys(each for record in seeds for each in ids_in(record) if _is_meant(each, record, question)))
    found = _with_sessions(folder, ids[-min(limit, MOST_MESSAGES) :])
    loose = [record for record in seeds if not ids_in(record)]
    if loose:
        found.append(Story("", _loose(folder, loose[-limit:], found)))
    return sorted((story for story in found if story.records), key=lambda story: time_of(story.records[0]))


def _loose(folder: str, records: Sequence[Record], told: Sequence[Story]) -> list[Record]:
    """Those of *records* that no story has, with what was said in their sessions."""
    known = [record for story in told for record in story.records]
    new = [record for record in records if record not in known]
    sessions = {str(record["session"]) for record in new if record.get("session")}
    said = [record for record in find(folder, *sessions) if record.get("event") == _AT_THE_END]
    return sorted(new + [record for record in said if record not in new], key=time_of)


def ids_in(record: Record) -> list[str]:
    """Our ids of the messages that *record* is about."""
    found = []
    for name in NAMES_A_MESSAGE:
        value = record.get(name)
        for text in value if isinstance(value, list) else [value]:
            found += _IN_TEXT.findall(str(text)) if text else []
    return list(dict.fromkeys(found))


def _seeds(folder: str, question: str) -> list[Record]:
    """The records in which what was asked for stands in a field of that kind."""
    bare = question.strip().strip("<>")
    if re.fullmatch(r"[0-9a-f]{8,32}(-[0-9a-f]{0,6})?", bare):
        identifier = bare.partition("-")[0]
        by_session = [r for r in find(folder, identifier) if r.get("session") == bare]
        return by_session or [r for r in find(folder, identifier) if any(i.startswith(identifier) for i in ids_in(r))]
    records = find(folder, f"<{bare}>", bare, bare.lower())
    of_message = [record for record in records if record.get("message_id") == f"<{bare}>"]
    return of_message or [record for record in records if _mentions(record, bare)]


def _is_meant(identifier: str, record: Record, question: str) -> bool:
    """A POP3 session that deleted a hundred messages names them all."""
    bare = question.strip().strip("<>").partition("-")[0]
    by_id = re.fullmatch(r"[0-9a-f]{8,32}", bare) is not None and record.get("session") != bare
    return identifier.startswith(bare) if by_id else True


def _mentions(record: Record, address: str) -> bool:
    wanted = address.lower()
    for name in _ADDRESSES:
        value = record.get(name)
        if wanted in [str(text).lower() for text in (value if isinstance(value, list) else [value])]:
            return True
    return False


def _with_sessions(folder: str, ids: Sequence[str]) -> list[Story]:
    if not ids:
        return []
    own: dict[str, list[Record]] = {identifier: [] for identifier in ids}
    sessions: dict[str, None] = {}
    for record in find(folder, *ids):
        for identifier in ids_in(record):
            if identifier in own:
                own[identifier].append(record)
        if _SESSION.fullmatch(session := str(record.get("session", ""))):
            sessions[session] = None
    of_session: dict[str, list[Record]] = {}
    for record in find(folder, *sessions):
        of_session.setdefault(str(record.get("session", "")), []).append(record)
    return [Story(identifier, _joined(records, of_session)) for identifier, records in own.items()]


def _joined(records: Sequence[Record], of_session: dict[str, list[Record]]) -> list[Record]:
    """*records* of one message, with what concerns it of their sessions."""
    joined = list(records)
    for session in dict.fromkeys(str(record["session"]) for record in records if record.get("session")):
        its = [record for record in records if record.get("session") == session]
        joined += _surroundings(its, of_session.get(session, ()))
    return sorted(joined, key=time_of)


def _surroundings(its: Sequence[Record], session: Iterable[Record]) -> list[Record]:
    """*its*: those of the message in this session."""
    first, last = time_of(its[0]), time_of(its[-1])
    fetching = any(record.get("uid") or record.get("uids") for record in its)
    others = [record for record in session if record not in its]
    since = max(
        (time_of(r) for r in others if r.get("event") == "message.accepted" and time_of(r) < first), default=0.0
    )
    found = []
    for record in others:
        event, when = record.get("event"), time_of(record)
        if (
            (event in _OF_THE_SESSION and when <= first)
            or (event in _BEFORE_THE_MESSAGE and not fetching and since < when <= last and not ids_in(record))
            or (event in _AFTER_FETCHING and fetching and when >= last)
            or event == _AT_THE_END
        ):
            found.append(record)
    return found
