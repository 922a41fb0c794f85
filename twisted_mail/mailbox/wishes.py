"""What the owner of a mailbox wants done with new mail, as the files in the Maildir say it, remembered while they stay.

Who wants nothing costs one stat of the Maildir: both files show in its modification time when they come, go or are
replaced.  A file that is there is looked at for itself: an editor may write it in place.  Times are trusted once they
have settled (settling.py).  Messages to many that come at the same time share a look (LOOKED_AFTER).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from twisted_mail.mailbox import layout, settling
from twisted_mail.mailbox.absence import TEXT_FILE
from twisted_mail.rules.foldername import disk_name
from twisted_mail.rules.ruleset import Rule
from twisted_mail.rules.rulesfile import MAX_OCTETS, RulesError, parse_rules
from twisted_mail.smtp.address import Address
from twisted_mail.syncing import sync_directory

RULES_FILE = "twisted-mail.rules"
MAX_REMEMBERED = 100_000
"""Mailboxes: some 30 MB where they have no rules."""
LOOKED_AFTER = 5_000_000
"""Nanoseconds between two looks: who has changed a file needs longer to send a message (docs/decisions/0038)."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Of one mailbox."""

    is_away: bool = False
    """There is a text for those who write."""
    rules: tuple[Rule, ...] = ()
    problem: str = ""
    """Why there are no rules though there is a file of them, in one line."""


NONE = Wishes()
Stamp = tuple[int, ...]


@dataclass(slots=True)
class _Known:
    looked: int
    """When that was known to hold, and `folder`: when it was changed last; nanoseconds since 1970."""
    folder: int
    rules: Stamp | None
    """Of their file, if there is one."""
    wishes: Wishes


class WishReader:
    """Of the accounts that were asked for last.  Blocks for the disk, a moment: the files are small."""

    def __init__(self, path_of: Callable[[Address], str], clock: Callable[[], int] = settling.now) -> None:
        """*path_of*: where an account's Maildir is; *clock*: the time in nanoseconds, as on files."""
        self._path_of = path_of
        self._clock = clock
        self._known: OrderedDict[Address, _Known] = OrderedDict()

    def of(self, account: Address) -> Wishes:
        """What cannot be read is a problem of its rules."""
        now = self._clock()
        known = self._known.get(account)
        if known is not None and 0 <= now - known.looked < LOOKED_AFTER:
            return known.wishes
        return self._look(account, known, now)

    def _look(self, account: Address, known: _Known | None, now: int) -> Wishes:
        path = self._path_of(account)
        try:
            changed = os.stat(path).st_mtime_ns
        except FileNotFoundError:
            return NONE
        except OSError as error:
            return Wishes(problem=f"the mailbox cannot be looked at: {error.strerror}")
        if known is not None and known.folder == changed and known.rules == (known.rules and _stamp(path)):
            known.looked = now
            self._known.move_to_end(account)
            return known.wishes
        stamp = _stamp(path)
        wishes = _read(path)
        if settling.are_settled((changed, stamp[0]) if stamp else (changed,), now):
            self._known[account] = _Known(now, changed, stamp, wishes)
            if len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.pop(account, None)
        return wishes


def rules_in(path: str) -> str | None:
    """The text of the rules of the Maildir at *path*; None: it has none.  Raises OSError or RulesError."""
    try:
        with open(f"{path}/{RULES_FILE}", "rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except FileNotFoundError:
        return None
    return decoded_rules(octets)


def decoded_rules(octets: bytes) -> str:
    """Raises RulesError."""
    if len(octets) > MAX_OCTETS:
        raise RulesError(f"rules may have {MAX_OCTETS} octets, and these have more")
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise RulesError(f"line {line}: not text in UTF-8; save the file in that encoding") from error


def write_rules(path: str, text: str) -> None:
    """Replace those of the Maildir at *path*, and make their folders, which POP3 then can open.  Raises OSError."""
    rules = parse_rules(text)
    for folder in ("", *_folders_of(rules)):
        where = f"{path}/{folder}" if folder else path
        for grown in layout.make_maildir_of(f"{where}/new/message"):
            sync_directory(grown)
    with open(f"{path}/{RULES_FILE}.new", "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.replace(f"{path}/{RULES_FILE}.new", f"{path}/{RULES_FILE}")


def remove_rules(path: str) -> None:
    """Folders stay.  Raises OSError."""
    with suppress(FileNotFoundError):
        os.unlink(f"{path}/{RULES_FILE}")


def _folders_of(rules: Sequence[Rule]) -> list[str]:
    """As they are called on disk."""
    return list(dict.fromkeys(filter(None, (disk_name(folder) for rule in rules for folder in rule.folders))))


def _stamp(path: str) -> Stamp | None:
    """Changes when the file of rules does; None: there is none that can be seen."""
    try:
        found = os.stat(f"{path}/{RULES_FILE}")
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: str) -> Wishes:
    is_away = os.path.exists(f"{path}/{TEXT_FILE}")
    try:
        text = rules_in(path)
        rules = parse_rules(text) if text is not None else ()
    except RulesError as error:
        return Wishes(is_away, problem=str(error))
    except OSError as error:
        return Wishes(is_away, problem=error.strerror or str(error))
    return Wishes(is_away, rules) if is_away or rules else NONE
