"""The Maildirs of all accounts: where messages are delivered, and where maildrops are opened.

A message is written and synced once, in the `tmp/` of its first mailbox, and linked into each `new/`; the directories
are synced before anybody hears 250.  Promise: after `deliver` or `commit` the message is in every mailbox, for good;
after a failure, or a crash before, in none (a file left in `tmp/` by a crash is swept after 36 hours).  Junk goes into
the folder `.Junk` of each mailbox, which the view `junk` shows; the view `.Work` shows the folder `.Work`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import count

from twisted.logger import LogLevel
from zope.interface import implementer

from twisted_mail.committing.committer import Committer
from twisted_mail.content import Message, disk_refusal
from twisted_mail.durable import NewFile, Phase
from twisted_mail.eventlog import EventLog
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IMailboxStore, IMaildrop, NoSuchFolder
from twisted_mail.mailbox import layout, maildir
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.views import JUNK, Views
from twisted_mail.message.evidence import junk_field
from twisted_mail.message.header import return_path
from twisted_mail.message.identifier import milliseconds_of
from twisted_mail.message.place import INBOX
from twisted_mail.pop3.terms import Terms
from twisted_mail.rules.foldername import SEPARATOR, disk_name
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError


@implementer(IDeliveryTarget, IMailboxStore)
class MailboxStore:
    """Maildirs at ROOT/DOMAIN/USER.  Its recipients are accounts in their canonical spelling."""

    def __init__(self, root: str, hostname: str, committer: Committer, reader: MaildirReader, views: Views) -> None:
        """*hostname* becomes part of each file's name."""
        self._root = root
        self._hostname = hostname
        self._committer = committer
        self._reader = reader
        self._views = views
        self._attempts = count()
        self._process = os.urandom(4).hex()

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _MaildirDelivery(self, self._committer, origin.session, sender, options.smtputf8)

    async def open_maildrop(self, account: Address, origin: Origin, terms: Terms, view: str) -> IMaildrop:
        path = self.path(account)
        folder = _folder_of(path, view)
        maildrop = await self._reader.open_maildrop(path, account, origin, terms, folder)
        if folder or not view:
            return maildrop
        try:
            return await self._views.open(maildrop, path, view, origin.session)
        except BaseException:  # also when the client has gone and the login is cancelled
            maildrop.release()
            raise

    def path(self, account: Address) -> str:
        """See `maildir_of`."""
        return maildir_of(self._root, account)

    def new_file(self, message: Message, mailboxes: list[str], *, smtputf8: bool = False) -> NewFile:
        """The job that puts *message* into each of *mailboxes* (paths), to its places there.

        *smtputf8*: it may be internationalised.
        """
        name = maildir.unique_name(milliseconds_of(message.id) // 1000, message.id, self._hostname)
        downgraded = maildir.downgraded_size(message) if smtputf8 else None
        final = maildir.final_name(name, message.size, message.wire_size, downgraded)
        junk = message.junk
        inside = [maildir.path_inside(place, final, junk=junk) for place in message.places]
        names = [f"{mailbox}/{path}" for mailbox in mailboxes for path in inside]
        first = names[0].rsplit("/", 2)[0]
        return NewFile(
            message.contents,
            # the queue may deliver a message again after a crash, or by two aliases at once: under one final name
            f"{first}/tmp/{name}.{self._process}.{next(self._attempts)}",
            names,
            layout.make_maildir_of,
        )


@implementer(IDelivery)
class _MaildirDelivery:
    _log = EventLog()

    def __init__(
        self, store: MailboxStore, committer: Committer, session: str, sender: Address | None, smtputf8: bool
    ) -> None:
        self._store = store
        self._committer = committer
        self._session = session
        self._sender = sender
        self._smtputf8 = smtputf8
        self._recipients: list[Recipient] = []
        self._prepared: NewFile | None = None
        self._id = ""
        self._where = ""

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients.append(recipient)

    async def prepare(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        self._prepared = self._file(message)
        return dict.fromkeys(self._recipients, await self._run(self._prepared, Phase.PREPARE))

    async def commit(self) -> None:
        assert self._prepared is not None
        file, self._prepared = self._prepared, None
        if refusal := await self._run(file, Phase.PUBLISH):
            raise refusal

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        return dict.fromkeys(self._recipients, await self._run(self._file(message), Phase.BOTH))

    def abort(self) -> None:
        file, self._prepared = self._prepared, None
        if file is not None:
            self._committer.discard(file)

    def _file(self, message: Message) -> NewFile:
        mailboxes = [self._store.path(recipient.address) for recipient in self._recipients]
        self._id = message.id
        self._where = _in_words(message)
        fields = return_path(self._sender)
        if message.evidence:
            fields += junk_field(message.evidence)
        message = message.with_fields(fields)
        return self._store.new_file(message, mailboxes, smtputf8=self._smtputf8)

    async def _run(self, file: NewFile, phase: Phase) -> SMTPError | None:
        try:
            await self._committer.run(file, phase)
        except OSError as error:
            self._log.failure("a message could not be stored", id=self._id, session=self._session)
            return disk_refusal(error)
        if phase is not Phase.PREPARE:
            self._log.emit(
                LogLevel.debug,
                "stored as {file} for {mailboxes}{where}",
                event="message.stored",
                session=self._session,
                id=self._id,
                mailboxes=[str(recipient.address) for recipient in self._recipients],
                file=file.file_name,
                where=self._where,
            )
        return None


def _folder_of(path: str, view: str) -> str:
    """Of the Maildir at *path*, which *view* shows; empty: a view of the inbox.  Raises NoSuchFolder."""
    if view.lower() == JUNK:
        return maildir.JUNK
    if not view.startswith(SEPARATOR):
        return ""
    there = maildir.folders_of(path)
    with suppress(ValueError):
        if (written := disk_name(view[1:])) in there:
            return written
    if view in there:  # as other programs show what is not ASCII
        return view
    raise NoSuchFolder(f"no folder {view[:200]!r}")


def _in_words(message: Message) -> str:
    """Where in the mailboxes; empty: in the inbox alone."""
    if message.places == INBOX:
        return ", as junk" if message.junk else ""
    return f", in {' and '.join(place.folder or 'the inbox' for place in message.places)}"


def maildir_of(root: str, account: Address) -> str:
    """The Maildir of *account*.  Raises ValueError where its name would lead elsewhere: it is no account then."""
    for name in (account.domain, account.local_part):
        if not name or name.startswith(".") or "/" in name or "\0" in name:
            raise ValueError(f"not the name of a mailbox: {account}")
    return f"{root}/{account.domain}/{account.local_part}"
