"""What people may do with the server on its web page.  The avatar is the policy, here too (interfaces.py).

Who logs in at the page gets an `IOwnAffairs`, for what is their own; an administrator's avatar is an `IAdministration`
as well.  Addresses and names are taken as people write them.  Nothing here blocks the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import Enum

from zope.interface import Attribute, Interface

from twisted_mail.smtp.address import Address


class RefusedChange(Exception):
    """What was asked for cannot be done.  The text says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account."""

    address: Address
    is_disabled: bool
    is_administrator: bool
    created: int
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class MailboxFacts:
    """What lies in an account's mailbox."""

    messages: int
    octets: int
    opened_by: str
    """The POP3 session that has it open, in words; empty: none."""


@dataclass(frozen=True, slots=True)
class AliasFacts:
    """An address that stands for others, as its administrator writes them: a catch-all is `@example.org`."""

    address: str
    targets: Sequence[str]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A domain of ours and how much it holds."""

    name: str
    accounts: int
    aliases: int


@dataclass(frozen=True, slots=True)
class QueuedFacts:
    """A message that waits to be sent."""

    id: str
    sender: str
    """`<>` for a report."""
    recipients: Sequence[str]
    """Who have not got it yet."""
    size: int
    """Octets."""
    since: float
    """Seconds since 1970."""
    due: float | None
    """When it is tried next; None: it is held."""
    attempts: int
    said: str
    """What was said at the last one; empty: nothing yet."""


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """What has become of one recipient of such a message."""

    address: str
    state: str
    attempts: int
    host: str
    """Who spoke last; empty: nobody yet, or this server."""
    reply: str
    at: float | None
    dialogue: str
    """The last lines of the session with *host*."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """The whole of it."""

    facts: QueuedFacts
    recipients: Sequence[RecipientFacts]


class QueueChange(Enum):
    """What can be asked for with a queued message."""

    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    DROP = "drop"
    BOUNCE = "bounce"


@dataclass(frozen=True, slots=True)
class AppPasswordFacts:
    """A further password of an account, for one program or device."""

    name: str
    purposes: Sequence[str]
    created: int
    last_used: int | None
    """Seconds since 1970, both."""


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """One login of an account, or one that was refused."""

    at: float
    service: str
    peer: str
    by: str
    """The name of the app password that it was; empty: the account's own."""
    refusal: str
    """Empty: it was accepted."""


@dataclass(frozen=True, slots=True)
class DeletionFacts:
    """What a POP3 session deleted, and can be brought back."""

    session: str
    at: int
    messages: int
    view: str


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """A message in a mailbox, in a few words."""

    name: str
    """By which it is asked for."""
    author: str
    subject: str
    at: int
    """When it came, seconds since 1970; 0: nobody knows."""
    reasons: Sequence[str]
    """Why it is junk, or why it could have been."""


class Kind(Enum):
    """Which of what has happened is meant."""

    MESSAGES = "messages"
    SESSIONS = "sessions"
    FAULTS = "faults"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that has happened, in words."""

    at: float
    """Seconds since 1970."""
    text: str
    said: str
    """What was kept of the dialogue, or of a fault."""
    question: str
    """What leads to its story: the id of a message or a session; empty: there is none."""


@dataclass(frozen=True, slots=True)
class StoryFacts:
    """The whole of what is known of a message, or of what did not become one."""

    id: str
    happenings: Sequence[Happening]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check has found, and what mends it."""

    check: str
    level: str
    """`ok`, `advice` or `fault`."""
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Of the last run of all checks, or of the one that is under way."""

    is_running: bool
    at: float | None
    """When it began, seconds since 1970; None: there was none since the server started."""
    verdicts: Sequence[Verdict]
    failure: str
    """Why there is no answer; empty: there is one."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How something went in the last day."""

    title: str
    unit: str
    """Behind a number, with its space; empty: a count."""
    values: Sequence[float]
    """One a minute, the oldest first."""
    is_level: bool
    """Values do not add up to those of longer times."""


class IOwnAffairs(Interface):
    """The avatar of everybody who logs in at the page."""

    account: Address = Attribute("Whose it is.")

    def holds() -> bool:
        """Whether the login is still good: not after another password, or with an account that is switched off."""

    def change_password(old: str, new: str) -> Awaitable[None]:
        """This login stays good, all others on the page end.  Raises RefusedChange or LoginUnavailable."""

    def app_passwords() -> Sequence[AppPasswordFacts]:
        """In the order of their names."""

    def add_app_password(name: str, purposes: Sequence[str]) -> Awaitable[str]:
        """The password itself, which can never be shown again; *purposes*: `smtp`, `pop3`.  Raises RefusedChange."""

    def remove_app_password(name: str) -> Awaitable[str]:
        """A sentence that tells it.  Raises RefusedChange."""

    def logins() -> Awaitable[Sequence[LoginFacts]]:
        """The last ones, the newest first.  Raises OSError."""

    def deletions() -> Awaitable[Sequence[DeletionFacts]]:
        """What can be brought back, the newest first.  Raises OSError."""

    def restore(session: str) -> Awaitable[str]:
        """Bring back what that session deleted; a sentence that tells it.  Raises RefusedChange or OSError."""

    def letters(*, junk: bool) -> Awaitable[Sequence[LetterFacts]]:
        """The last ones in the inbox or among the junk, the newest first.  Raises OSError."""

    def move_letter(name: str, *, to_junk: bool) -> Awaitable[str]:
        """From one to the other; the account's filter learns from it.  A sentence that tells it.

        Raises RefusedChange or OSError.
        """

    def learn_inbox() -> Awaitable[str]:
        """That the last ones in the inbox are good mail, but those of which another thing was said.

        A sentence that tells it.  Raises RefusedChange or OSError.
        """

    def learned() -> Awaitable[tuple[int, int]]:
        """How many messages the filter has learned as junk, and how many as good.  Raises OSError."""

    def rules() -> Awaitable[str]:
        """The text of the account's rules; empty: it has none.  Raises RefusedChange: it cannot be read."""

    def set_rules(text: str) -> Awaitable[str]:
        """Have these and no others, or none; a sentence that tells it.  Raises RefusedChange."""

    def import_rules(script: str) -> Awaitable[str]:
        """The same from a Sieve script."""


class IPeople(Interface):
    """Accounts, aliases and domains.  Changes return a sentence that tells what was done, or raise RefusedChange."""

    def accounts() -> Sequence[Person]:
        """All, in the order of domains."""

    def account(address: str) -> Person | None:
        """None: there is none."""

    def mailbox(person: Person) -> Awaitable[MailboxFacts]:
        """Raises OSError."""

    def add_account(address: str, password: str) -> Awaitable[str]:
        """Its domain must exist."""

    def set_password(address: str, password: str) -> Awaitable[str]:
        """App passwords stay."""

    def set_disabled(address: str, disabled: bool) -> Awaitable[str]:
        """A disabled account takes neither mail nor logins."""

    def remove_account(address: str) -> Awaitable[str]:
        """Mail on disk stays."""

    def aliases() -> Sequence[AliasFacts]:
        """All, in the order of domains."""

    def add_alias(alias: str, targets: Sequence[str], owner: str) -> Awaitable[str]:
        """To those that it has; *owner* may be empty."""

    def remove_alias(alias: str) -> Awaitable[str]:
        """All of it."""

    def domains() -> Sequence[DomainFacts]:
        """In the order in which they were added."""

    def add_domain(name: str) -> Awaitable[str]:
        """To take mail for it."""

    def remove_domain(name: str) -> Awaitable[str]:
        """It must be empty."""


class IQueue(Interface):
    """What waits to be sent to other servers."""

    def messages(wanted: str, limit: int) -> Awaitable[tuple[int, Sequence[QueuedFacts]]]:
        """How many there are, and the first *limit* of them, the oldest first; *wanted*: part of an address or id."""

    def message(identifier: str) -> Awaitable[QueuedMessage | None]:
        """None: it is not, or no longer, in the queue."""

    def ask(identifier: str, change: QueueChange) -> Awaitable[str]:
        """Have the scheduler do it, and wait a moment for that; a sentence that tells it.  Raises RefusedChange."""


class IRecords(Interface):
    """What has happened, from the journal.  All raise OSError."""

    def recent(kind: Kind, wanted: str, limit: int) -> Awaitable[Sequence[Happening]]:
        """The last ones that contain *wanted*, the newest first."""

    def stories(question: str, limit: int) -> Awaitable[Sequence[StoryFacts]]:
        """What `mailserver explain` tells of a Message-ID, an id, an address, or a time."""


class IChecks(Interface):
    """What `mailserver check` finds."""

    report: CheckReport = Attribute("The last one.")

    def start() -> None:
        """Run all checks, unless they run."""


class IOverview(Interface):
    """How the server is."""

    def problems() -> Awaitable[Sequence[str]]:
        """Why it cannot do its work; empty: it can."""

    def facts() -> Awaitable[Sequence[tuple[str, str]]]:
        """What, and its value.  Raises OSError."""

    def trends() -> Sequence[Trend]:
        """What there is to draw: a day that begins before the start of the server begins with nothing."""


class IAdministration(IOwnAffairs):
    """The avatar of an administrator."""

    overview: IOverview = Attribute("How the server is.")
    people: IPeople = Attribute("Who has mail here.")
    queue: IQueue | None = Attribute("None: this server sends nothing to others.")
    records: IRecords | None = Attribute("None: no journal is kept.")
    checks: IChecks = Attribute("What is wrong here.")
