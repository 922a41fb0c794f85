"""The last messages and sessions, with search: for a page that lists them.  All of it blocks (see search.py)."""

from __future__ import annotations

from twisted_mail.records.journal import Record
from twisted_mail.records.search import newest

MESSAGES = frozenset({"message.accepted", "message.refused", "message.relayed", "attempt.ended", "report.sent"})
"""What becomes of messages; `story.stories` tells all of one."""
SESSIONS = frozenset({"login.accepted", "login.refused", "connection.refused", "session.ended", "session.lost"})


def recent_messages(folder: str, limit: int = 50, search: str = "") -> list[Record]:
    """The last events of messages that contain *search* (an address, a host, an id; any case), the newest first."""
    return newest(folder, lambda record: record.get("event") in MESSAGES, limit, search)


def recent_sessions(folder: str, limit: int = 50, search: str = "", user: str = "") -> list[Record]:
    """The last logins and ends of sessions, the newest first.  *user*: of that account alone."""
    wanted = user.lower()
    return newest(
        folder,
        lambda record: (
            record.get("event") in SESSIONS
            and (not wanted or str(record.get("user", "")).lower().partition("%")[0] == wanted)
        ),
        limit,
        search or user,
    )
