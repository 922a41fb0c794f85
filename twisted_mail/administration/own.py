"""The avatar of a user on the page: what is the account's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail.administration.rules import check_rules
from twisted_mail.affairs import AppPasswordFacts, DeletionFacts, IOwnAffairs, LetterFacts, LoginFacts, RefusedChange
from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.checker import PasswordChecker
from twisted_mail.auth.directory import Directory, DirectoryError
from twisted_mail.auth.passwords import password_problem
from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.interfaces import IVerdicts, MaildropLocked, PasswordLogin
from twisted_mail.mailbox import maildir, undo
from twisted_mail.mailbox.junk import letters
from twisted_mail.mailbox.junk.memory import learned_in
from twisted_mail.mailbox.junk.moves import pass_on
from twisted_mail.mailbox.store import maildir_of
from twisted_mail.mailbox.wishes import remove_rules, rules_in, write_rules
from twisted_mail.records.journal import Record
from twisted_mail.records.search import newest, time_of
from twisted_mail.rules.rulesfile import RulesError
from twisted_mail.rules.sieveimport import import_script
from twisted_mail.rules.sievesyntax import SieveError
from twisted_mail.rules.writing import rules_text
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Means:
    """What all avatars of the page work with."""

    config: Config
    directory: Directory
    checker: PasswordChecker
    verdicts: IVerdicts
    disk: Blocking
    hashing: Blocking
    clock: IReactorTime

    async def change(self, call: Callable[[], R], blocking: Blocking | None = None) -> R:
        """*call*, in a thread.  Raises RefusedChange."""
        try:
            done = await (blocking or self.disk)(call)
        except DirectoryError as error:
            raise RefusedChange(f"{error}.") from error
        return done  # type: ignore[return-value]  # threads say object

    async def set_password(self, address: Address, password: str) -> None:
        """Raises RefusedChange."""
        if problem := password_problem(password):
            raise RefusedChange(f"Choose another: {problem}.")
        new = await self.change(lambda: self.directory.new_account(address, password), self.hashing)
        await self.change(lambda: self.directory.set_password(address, new.password, new.verifier))


_OPEN = "A mail program has the mailbox open just now; try again in a minute."

LOGINS = 50
"""That are shown."""
LETTERS = 50
"""That are shown of one folder."""
LESSONS = 200
"""That the filter learns at once."""


@implementer(IOwnAffairs)
class OwnAffairs:
    """Of one login."""

    def __init__(self, account: Address, origin: Origin, means: Means) -> None:
        self.account = account
        self._origin = origin
        self._means = means
        self._at_login = self._state()

    def holds(self) -> bool:
        return self._at_login is not None and self._state() == self._at_login

    async def change_password(self, old: str, new: str) -> None:
        login = PasswordLogin(str(self.account), old, self._origin)
        try:
            await self._means.checker.requestAvatarId(login)
        except UnauthorizedLogin as error:
            raise RefusedChange("The old password is another one.") from error
        await self._means.set_password(self.account, new)
        self._at_login = self._state()

    # ---- app passwords

    def app_passwords(self) -> Sequence[AppPasswordFacts]:
        found = self._means.directory.app_passwords.list(self.account)
        return [
            AppPasswordFacts(each.name, [purpose.value for purpose in each.purposes], each.created, each.last_used)
            for each in found
        ]

    async def add_app_password(self, name: str, purposes: Sequence[str]) -> str:
        chosen = tuple(purpose for purpose in Purpose if purpose.value in purposes)
        if not chosen:
            raise RefusedChange("Choose what it is for: to send, to fetch, or both.")
        directory = self._means.directory
        salt = directory.salt(self.account)
        return await self._means.change(lambda: directory.app_passwords.add(self.account, name, chosen, salt))

    async def remove_app_password(self, name: str) -> str:
        passwords = self._means.directory.app_passwords
        await self._means.change(lambda: passwords.remove(self.account, name))
        return f'Removed "{name}": it is no good any more.'

    # ---- logins and deletions

    async def logins(self) -> Sequence[LoginFacts]:
        own = str(self.account)

        def is_own(record: Record) -> bool:
            return record.get("event") in ("login.accepted", "login.refused") and record.get("user") == own

        folder = self._means.config.journal_folder
        return [_login(record) for record in await self._means.change(lambda: newest(folder, is_own, LOGINS, own))]

    async def deletions(self) -> Sequence[DeletionFacts]:
        path = self._path
        found = await self._means.change(lambda: undo.undoable(path) if os.path.isdir(path) else [])
        return [DeletionFacts(each.session, each.seconds, each.messages, each.view) for each in reversed(found)]

    async def restore(self, session: str) -> str:
        try:
            count = await self._means.change(lambda: undo.restore(self._path, session))
        except LookupError:
            raise RefusedChange("Nothing is kept of that session any more.") from None
        except MaildropLocked as error:
            raise RefusedChange(_OPEN) from error
        return f"Restored {count} messages: your mail program finds them when it looks the next time."

    # ---- junk

    async def letters(self, *, junk: bool) -> Sequence[LetterFacts]:
        folder = maildir.junk_of(self._path) if junk else self._path
        return [
            LetterFacts(each.name, each.author, each.subject, each.seconds, each.reasons)
            for each in await self._means.change(lambda: letters.newest(folder, LETTERS))
        ]

    async def move_letter(self, name: str, *, to_junk: bool) -> str:
        now = self._means.clock.seconds()

        def move() -> None:
            pass_on(self._means.verdicts, self.account, letters.move(self._path, name, to_junk=to_junk, now=now))

        try:
            await self._means.change(move)
        except LookupError:
            raise RefusedChange("That message is not there any more.") from None
        except MaildropLocked as error:
            raise RefusedChange(_OPEN) from error
        if to_junk:
            return "It lies with the junk now, and your filter has learned that."
        return "It is in your inbox now, as a new message, and your filter has learned that it is good."

    async def learn_inbox(self) -> str:
        now = self._means.clock.seconds()

        def learn() -> int:
            if not os.path.isdir(self._path):
                return 0
            heard = letters.learn_inbox(self._path, LESSONS, now)
            pass_on(self._means.verdicts, self.account, heard)
            return len(heard)

        return f"Your filter has learned {await self._means.change(learn)} messages of your inbox as good mail."

    async def learned(self) -> tuple[int, int]:
        found = await self._means.change(lambda: learned_in(self._path))
        return found.messages.junk, found.messages.good

    # ---- rules

    async def rules(self) -> str:
        return await self._with_rules(lambda path: rules_in(path) or "")

    async def set_rules(self, text: str) -> str:
        if not text.strip():
            await self._with_rules(remove_rules)
            return "You have no rules: all mail stays in the inbox."
        try:
            count = check_rules(self._means.directory, self.account, text)
        except RulesError as error:
            raise RefusedChange(f"Nothing was changed. {error}.") from error
        await self._with_rules(lambda path: write_rules(path, text))
        return f"Your rules are followed from now on: {count}."

    async def import_rules(self, script: str) -> str:
        try:
            text = rules_text(import_script(script))
        except SieveError as error:
            raise RefusedChange(f"Nothing was changed. The script, {error}.") from error
        return await self.set_rules(text)

    async def _with_rules(self, act: Callable[[str], R]) -> R:
        """*act* on the account's Maildir, in a thread.  Raises RefusedChange."""
        try:
            return await self._means.change(lambda: act(self._path))
        except (OSError, RulesError) as error:
            raise RefusedChange(f"The file of your rules is in trouble, ask your administrator: {error}.") from error

    @property
    def _path(self) -> str:
        return maildir_of(self._means.config.data, self.account)

    def _state(self) -> object:
        """What must stay as it is; None: nobody could log in."""
        found = self._means.directory.account(self.account)
        return None if found is None or found.disabled else (found.password, *self._rights())

    def _rights(self) -> tuple[object, ...]:
        """What else the login depends on."""
        return ()


def _login(record: Record) -> LoginFacts:
    service, peer, by, reply = (str(record.get(name) or "") for name in ("service", "peer", "by", "reply"))
    accepted = record.get("event") == "login.accepted"
    return LoginFacts(time_of(record), service, peer, by, "" if accepted else reply or "refused")
