"""Mail that does not stay for ever: the user is told a day before, then it goes (RFC 2449 §6.7).

Nothing goes that was not announced.  An announcement is a message in the mailbox itself; it names all that goes within
a week from then on, so that a mailbox into which mail comes every day is not filled with announcements as well.  When
each message goes is remembered in MAILDIR/twisted-mail.expiry, lines `SECONDS UID`, with a third word for
announcements, which go unannounced when they are old enough themselves.  What goes can be restored as if a session had
deleted it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twisted_mail.content import Message
from twisted_mail.durable import NewFile, Removal, Replacement, run_now
from twisted_mail.filecontents import Octets
from twisted_mail.mailbox import layout, maildir
from twisted_mail.mailbox.burial import Burial
from twisted_mail.mailbox.expirynotice import Going, notice
from twisted_mail.mailbox.journal import Bounds, DeletedSession
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.message.identifier import message_id, milliseconds_of
from twisted_mail.smtp.address import Address

FILE_NAME = "twisted-mail.expiry"

NOTICE = 86_400
"""Seconds from an announcement to the first deletion, and to the next announcement."""
AHEAD = 7 * 86_400
"""Seconds after that for which an announcement speaks."""

_NOTICE_MARK = "notice"


@dataclass(frozen=True, slots=True)
class Announced:
    """What the user has been told."""

    due: Mapping[str, int] = field(default_factory=dict)
    """Unique-id -> when the message goes, in seconds since 1970."""
    notices: Mapping[str, int] = field(default_factory=dict)
    """Unique-id of each announcement -> when it was made."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now."""

    remove: Sequence[str]
    """Unique-ids."""
    announce: Mapping[str, int]
    """Unique-id -> when the message will go."""


def make_plan(came: Mapping[str, int], announced: Announced, stay: int, now: float) -> Plan:
    """*came*: unique-id -> when the message came; *stay*: seconds that it stays; *now*: seconds since 1970."""
    leaves = {uid: seconds + stay for uid, seconds in came.items()}
    remove = [
        uid
        for uid, when in leaves.items()
        if when <= now and (uid in announced.notices or announced.due.get(uid, math.inf) <= now)
    ]
    unknown = {uid: when for uid, when in leaves.items() if uid not in announced.due and uid not in announced.notices}
    is_time = max(announced.notices.values(), default=0) <= now - NOTICE
    if not is_time or all(when > now + NOTICE for when in unknown.values()):
        return Plan(remove, {})
    ahead = {uid: when for uid, when in unknown.items() if when <= now + NOTICE + AHEAD}
    return Plan(remove, {uid: max(when, int(now) + NOTICE) for uid, when in ahead.items()})


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One account's, and what expiry has to know about it."""

    path: str
    """Its Maildir."""
    account: Address
    stay: int
    """Seconds that a message stays."""
    hostname: str
    """Becomes part of the announcement's name."""
    journal: Bounds | None
    """As for MaildirReader."""


def expire(mailbox: Mailbox, now: float) -> Plan:
    """Do what is to be done in one mailbox; says what that was.  Blocks.  Raises MaildropLocked or OSError."""
    plan = _Expiring(mailbox, now).plan
    if not plan.remove and not plan.announce:
        return plan  # as nearly always: no session is kept out for it
    lock = MaildropLock(mailbox.path, f"expiry, process {os.getpid()}", is_login=False)
    try:
        expiring = _Expiring(mailbox, now)
        expiring.remove()
        expiring.announce()
        return expiring.plan
    finally:
        lock.release()


class _Expiring:
    """What one mailbox holds, and what is done about it."""

    def __init__(self, mailbox: Mailbox, now: float) -> None:
        self._mailbox = mailbox
        self._now = now
        paths = maildir.scan(mailbox.path)
        self._paths = dict(zip(maildir.unique_ids(paths), paths, strict=True))
        came = {uid: _came(f"{mailbox.path}/{path}", now) for uid, path in self._paths.items()}
        self._announced = load(mailbox.path)
        self.plan = make_plan(came, self._announced, mailbox.stay, now)

    def remove(self) -> None:
        """What was announced and is due."""
        paths = [f"{self._mailbox.path}/{self._paths[uid]}" for uid in self.plan.remove]
        if not paths:
            return
        octets = sum(maildir.wire_size_of(os.path.basename(path)) or 0 for path in paths)
        session = DeletedSession(f"expiry-{os.urandom(4).hex()}", int(self._now), len(paths), octets)
        keeps = self._mailbox.journal is not None
        run_now(Burial(self._mailbox.path, session.folder, paths) if keeps else Removal(paths))

    def announce(self) -> None:
        """What goes next.  First the user is told, then that is remembered: a crash between them tells twice."""
        due, notices = dict(self._announced.due), dict(self._announced.notices)
        if self.plan.announce:
            notices[self._deliver_notice()] = int(self._now)
            due |= self.plan.announce
        gone = set(self.plan.remove) | (due.keys() | notices.keys()) - self._paths.keys()
        latest = max(notices.values(), default=0)
        kept = Announced(
            {uid: seconds for uid, seconds in due.items() if uid not in gone},
            {uid: seconds for uid, seconds in notices.items() if uid not in gone or seconds == latest},
        )
        save(self._mailbox.path, kept)

    def _deliver_notice(self) -> str:
        """Its unique-id."""
        mailbox = self._mailbox
        going = [
            Going(when, f"{mailbox.path}/{self._paths[uid]}")
            for uid, when in sorted(self.plan.announce.items(), key=lambda item: item[1])
        ]
        identifier = message_id(int(self._now * 1000), os.urandom(10))
        message = notice(identifier, mailbox.account, mailbox.hostname, mailbox.stay, going)
        name = maildir.unique_name(milliseconds_of(identifier) // 1000, identifier, mailbox.hostname)
        run_now(_delivery(mailbox.path, name, message))
        return maildir.uid_of(name)


def load(path: str) -> Announced:
    """What the file in the Maildir says; lines that nobody can have written are ignored.  Raises OSError."""
    try:
        with open(f"{path}/{FILE_NAME}", encoding="ascii", errors="replace") as file:
            rows = [row for row in map(str.split, file) if len(row) >= 2 and row[0].isdecimal()]
    except FileNotFoundError:
        return Announced()
    return Announced(
        {row[1]: int(row[0]) for row in rows if len(row) == 2},
        {row[1]: int(row[0]) for row in rows if row[2:] == [_NOTICE_MARK]},
    )


def save(path: str, announced: Announced) -> None:
    """For good.  Raises OSError."""
    lines = [f"{seconds} {uid}\n" for uid, seconds in announced.due.items()]
    lines += [f"{seconds} {uid} {_NOTICE_MARK}\n" for uid, seconds in announced.notices.items()]
    octets = "".join(lines).encode("ascii")
    file = f"{path}/{FILE_NAME}"
    run_now(Replacement(Octets(octets), f"{file}.{os.urandom(6).hex()}", file))


def _delivery(path: str, name: str, message: Message) -> NewFile:
    final = maildir.final_name(name, message.size, message.wire_size, maildir.downgraded_size(message))
    return NewFile(message.contents, f"{path}/tmp/{name}", [f"{path}/new/{final}"], layout.make_maildir_of)


def _came(path: str, now: float) -> int:
    """By the file's name, or its time; one that has just gone counts as new."""
    seconds = maildir.seconds_of(os.path.basename(path))
    if seconds is not None:
        return seconds
    try:
        return int(os.stat(path).st_mtime)
    except FileNotFoundError:
        return int(now)
