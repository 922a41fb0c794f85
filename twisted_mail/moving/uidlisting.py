"""What unique-ids a mailbox shows, and whether those who know one listing would fetch anything again from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted_mail.mailbox import maildir
from twisted_mail.moving.letter import MovingError
from twisted_mail.moving.maildirs import listed
from twisted_mail.moving.pop3client import POP3Client

NONE = "-"
"""Stands in a saved listing for a message that no client knows."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Between an old listing and a new one."""

    again: Sequence[tuple[int, str]]
    """Message number and unique-id of those in the new one that a client of the old one would fetch."""
    missing: Sequence[str]
    """In the old one only."""


def difference(old: Sequence[str | None], new: Sequence[str | None]) -> Difference:
    """Of two messages with one unique-id, clients know one at most."""
    left = {uid for uid in old if uid is not None}
    again = []
    for number, uid in enumerate(new, 1):
        if uid is not None and uid in left:
            left.discard(uid)
        else:
            again.append((number, uid or NONE))
    return Difference(again, [uid for uid in old if uid is not None and uid in left])


def of_maildir(path: str, dovecot_format: str | None) -> list[str | None]:
    """In the order of message numbers of this server.  *dovecot_format*: see `maildirs.listed`."""
    return listed(path, dovecot_format)[1]


def of_server(client: POP3Client) -> list[str | None]:
    """As the server lists them.  Raises MovingError."""
    uids = client.uids()
    if uids is None:
        raise MovingError(
            "that server has no UIDL command: its clients fetch by other means, there is nothing to compare"
        )
    client.quit()
    return [uids[number] for number in sorted(uids)]


def of_file(path: str) -> list[str | None]:
    """A saved listing: `NUMBER UNIQUE-ID` a line, as POP3 says it, or the unique-id alone.

    Raises MovingError or OSError.
    """
    found: list[str | None] = []
    with open(path, encoding="ascii", errors="replace") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if not words or line.startswith("+OK") or words == ["."]:
                continue
            uid = words[-1]
            if len(words) > 2 or not maildir.is_uid(uid):
                raise MovingError(
                    f"{path}, line {number}: a line is a message's number and its unique-id; save it again"
                )
            found.append(None if uid == NONE else uid)
    return found
