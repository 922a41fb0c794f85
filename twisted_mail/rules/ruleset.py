"""Rules: which apply to a letter, and what is to be done with it.  Pure.

They are asked one after another, and each that holds adds what it wants.  Mail stays in the inbox unless one that holds
puts it elsewhere.  Rules that do not ask for junk leave alone what was judged to be junk: it is neither sorted into
other folders, nor sent on, nor answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from twisted_mail.message.place import INBOX, Place
from twisted_mail.rules.conditions import ALWAYS, Condition, holds_always, is_about_junk
from twisted_mail.rules.foldername import disk_name
from twisted_mail.rules.letter import Letter
from twisted_mail.smtp.address import Address

MAX_FORWARDS = 4
"""Addresses to which one message goes on from one account."""
MOST_DAYS = 90
"""Between two replies to one sender."""


class Mark(Enum):
    """How a mail program shows a message; the value is Maildir's flag."""

    FLAGGED = "F"
    ANSWERED = "R"
    SEEN = "S"


@dataclass(frozen=True, slots=True)
class Reply:
    """What those hear who write (RFC 5230); who is answered: mailbox/absence.py."""

    text: str
    days: int = 7
    """In which one sender gets one answer."""
    subject: str = ""
    """Empty: that of the message, with `Auto:` before it."""
    sender: Address | None = None
    """In From; None: the account."""
    addresses: tuple[Address, ...] = ()
    """The user's own at other places: who writes to one of them is answered, too."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done where *when* holds."""

    name: str = ""
    when: Condition = ALWAYS
    folders: tuple[str, ...] = ()
    """As people write them (foldername.py)."""
    forward: tuple[Address, ...] = ()
    copy: bool = False
    """Folders and addresses get a copy: the message stays in the inbox as well."""
    keep: bool = False
    """In the inbox, also if other rules put it elsewhere, or if it is junk."""
    discard: bool = False
    marks: tuple[Mark, ...] = ()
    """Of what this rule and those after it keep."""
    reply: Reply | None = None
    stop: bool = False
    """No further rule is asked."""

    @property
    def moves(self) -> bool:
        """The message does not stay in the inbox for want of other wishes."""
        return self.discard or (not self.copy and bool(self.folders or self.forward))

    def problem(self) -> tuple[str, str] | None:
        """Why nobody can have meant it: the key that is wrong (or an empty text), and what is wrong with it."""
        if self.copy and not (self.folders or self.forward):
            return "copy", "there is no folder and no forward of which it could be a copy"
        if self.discard and (self.folders or self.forward or self.keep):
            return "discard", "contradicts folder, forward or keep in the same rule; take one away"
        if self.discard and holds_always(self.when):
            return "discard", "would throw all mail away; say which mail is meant, or put it into a folder"
        if self == Rule(self.name, self.when):
            return "", "does nothing; say folder, forward, keep, discard, mark, reply or stop"
        return None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a letter."""

    rules: tuple[str, ...] = ()
    """The names of those that hold, or `rule 2` for one without a name."""
    places: tuple[Place, ...] = INBOX
    forward: tuple[Address, ...] = ()
    reply: Reply | None = None
    """The first one; a message is answered once."""

    @property
    def discards(self) -> bool:
        return not (self.places or self.forward)


def decide(rules: Sequence[Rule], letter: Letter) -> Decision:
    """At most MAX_FORWARDS addresses are forwarded to; where there are more, the message is kept, too."""
    wishes = _Wishes()
    for number, rule in enumerate(rules, 1):
        if (letter.junk and not is_about_junk(rule.when)) or not rule.when.holds(letter):
            continue
        wishes.add(rule, rule.name or f"rule {number}")
        if rule.stop:
            break
    return wishes.decision()


class _Wishes:
    """Of the rules that hold."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._places: dict[str | None, str] = {}
        self._forward: dict[Address, None] = {}
        self._flags: set[str] = set()
        self._reply: Reply | None = None
        self._stays = True

    def add(self, rule: Rule, name: str) -> None:
        self._names.append(name)
        self._flags.update(mark.value for mark in rule.marks)
        for folder in rule.folders:
            self._place(disk_name(folder))
        if rule.keep:
            self._place("")
        self._forward.update(dict.fromkeys(rule.forward))
        self._reply = self._reply or rule.reply
        self._stays = self._stays and not rule.moves

    def decision(self) -> Decision:
        forward = tuple(self._forward)
        if "" not in self._places and (self._stays or len(forward) > MAX_FORWARDS):
            self._place(None)
        places = tuple(Place(folder, flags) for folder, flags in self._places.items())
        return Decision(tuple(self._names), places, forward[:MAX_FORWARDS], self._reply)

    def _place(self, folder: str | None) -> None:
        """Twice in one folder is once (RFC 5228 §2.10.3)."""
        self._places[folder] = "".join(sorted({*self._places.get(folder, ""), *self._flags}))
