"""The Maildir format: how files are named, and what a folder holds.  Synchronous, and without a memory.

A message is a file in `new/` or `cur/`; its name is SECONDS.UNIQUE.HOST, then perhaps `,S=` (octets on disk), `,W=`
(octets on the wire), if it is internationalised `,D=` (octets on the wire with its header in ASCII), and if it came
from another server `,UIDL=` (the unique-id that it had there, docs/decisions/0026), then perhaps `:2,` and flags.
Names are text as the os module gives it: octets that are not UTF-8 are surrogates.  A missing folder is an empty one.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from functools import lru_cache

from twisted_mail.content import Message
from twisted_mail.message.downgrade import MAX_HEADER, header_in_ascii
from twisted_mail.message.place import Place

JUNK = ".Junk"
"""The folder of a Maildir, as Maildir++ has them, in which junk is kept apart: a Maildir in a Maildir."""

MAX_UID = 70  # characters, RFC 1939 §7
_MAX_HOST = MAX_UID - len("1234567890.") - 32 - len(".")

# unique-id = 1*70 of 0x21 to 0x7E (RFC 1939 §7), up to the first "," or ":"
_UID = re.compile(r"[!-+\--9;-~]{1,70}(?=[,:]|\Z)")
_VALID_UID = re.compile(rb"[!-~]{1,70}")
_KEPT = ",UIDL="
_KEPT_UID = re.compile(r",UIDL=([A-Za-z0-9_-]{2,96})(?=[,:]|\Z)")
_SIZE = re.compile(r",S=([0-9]{1,15})(?=[,:]|\Z)")
_WIRE_SIZE = re.compile(r",W=([0-9]{1,15})(?=[,:]|\Z)")
_DOWNGRADED_SIZE = re.compile(r",D=([0-9]{1,15})(?=[,:]|\Z)")
_SECONDS = re.compile(r"[0-9]{1,15}")
_CAME = re.compile(r"([0-9]{9,11})\.")  # from 1973 on: what is shorter is no time
_ESCAPES = str.maketrans({"/": r"\057", ":": r"\072", ",": r"\054"})


def unique_name(seconds: float, unique: str, host: str) -> str:
    """SECONDS.UNIQUE.HOST: *seconds* since 1970, *unique* 32 hex digits.

    HOST is escaped as Maildir wants it, and cut so that the whole is a unique-id of POP3.
    """
    return f"{int(seconds)}.{unique}.{_escaped(host)}"


@lru_cache(8)
def _escaped(host: str) -> str:
    return host.translate(_ESCAPES)[:_MAX_HOST]


def final_name(unique_name: str, size: int, wire_size: int, downgraded: int | None = None) -> str:
    """The name in `new/`: with the octets on disk and on the wire, so that nobody has to open the file to know them.

    *downgraded*, of an internationalised message only: see `downgraded_size`.
    """
    sizes = f"{unique_name},S={size},W={wire_size}"
    return sizes if downgraded is None else f"{sizes},D={downgraded}"


def keeping_uid(name: str, uid: str) -> str:
    """*name*, without flags, as that of a message whose unique-id is *uid*, 1 to 70 characters of 0x21 to 0x7E.

    In base64: a unique-id may hold `/`, `:` and `,`, which a name may not.
    """
    return f"{name}{_KEPT}{urlsafe_b64encode(uid.encode('ascii')).decode('ascii').rstrip('=')}"


def downgraded_size(message: Message) -> int | None:
    """Octets on the wire of an internationalised message once its header is in ASCII (docs/decisions/0004).

    None: it is in ASCII already.  0: it cannot be put into ASCII.  For messages that came with SMTPUTF8: the header of
    any other is given back as it came, whatever octets are in it.
    """
    header = message.header
    if header.isascii():
        return None
    new = header_in_ascii(header) if len(header) <= MAX_HEADER else header
    if not new.isascii():
        return 0
    return message.wire_size - len(header) - header.count(b"\n") + len(new) + new.count(b"\n")


def uid_of(name: str) -> str:
    """The unique-id of a file: its name up to the first `,` or `:`, or a digest of that where POP3 cannot say it.

    One that came with another unique-id from another server keeps that.
    Never change this: every client would download all mail again.
    """
    if _KEPT in name and (kept := _kept_uid(name)):
        return kept
    if match := _UID.match(name):
        return match.group()
    return digest(re.split("[,:]", name, maxsplit=1)[0])


def is_uid(text: str) -> bool:
    """Whether POP3 can say it (RFC 1939 §7)."""
    return text.isascii() and _VALID_UID.fullmatch(text.encode("ascii")) is not None


def digest(text: str) -> str:
    """A unique-id for a name that cannot be one."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def size_of(name: str) -> int | None:
    """Octets on disk as the name has them, or None: ask the file."""
    return _number(_SIZE, name)


def wire_size_of(name: str) -> int | None:
    """Octets on the wire as the name has them, or None: the file must be read once."""
    return _number(_WIRE_SIZE, name)


def downgraded_size_of(name: str) -> int | None:
    """What `downgraded_size` said when the message came."""
    return _number(_DOWNGRADED_SIZE, name)


def without_flags(name: str) -> str:
    """The part that stays when a mail program marks the message as read or answered."""
    return name.partition(":")[0]


def name_of(path: str) -> str:
    """The file's name in a path that `scan` gave."""
    return path[4:]


def seconds_of(name: str) -> int | None:
    """When a message came, since 1970, as its name has it; None: it does not say."""
    match = _CAME.match(name)
    return int(match.group(1)) if match else None


def junk_of(maildir: str) -> str:
    """Where the junk of the Maildir at *maildir* lies."""
    return f"{maildir}/{JUNK}"


def path_inside(place: Place, name: str, *, junk: bool) -> str:
    """In a Maildir, of a message with the name *name* (without flags); *junk*: it was judged to be that."""
    folder = place.folder
    if folder is None:
        folder = JUNK if junk else ""
    where = f"{folder}/" if folder else ""
    return f"{where}cur/{name}:2,{place.flags}" if place.flags else f"{where}new/{name}"


def folders_of(maildir: str) -> list[str]:
    """The names of its folders, as Maildir++ has them (`.Junk`), in the order of the alphabet.  Raises OSError."""
    try:
        with os.scandir(maildir) as entries:
            return sorted(
                entry.name for entry in entries if entry.name[0] == "." and entry.is_dir(follow_symlinks=False)
            )
    except (FileNotFoundError, NotADirectoryError):
        return []


def scan(maildir: str) -> list[str]:
    """All messages as `new/NAME` or `cur/NAME`, by their seconds and then their names.  Raises OSError.

    Directories, symbolic links and names that begin with a dot are no messages.
    """
    new = _files(f"{maildir}/new")
    cur = _files(f"{maildir}/cur")
    if new and cur:
        moved = {without_flags(name) for name in cur}
        new = [name for name in new if without_flags(name) not in moved]
    in_cur = set(cur)
    names = new + cur
    if all(name[10:11] == "." and name[:10].isdecimal() for name in names):
        names.sort()  # seconds of equal length, as since 2001: 100,000 names in 35 ms rather than 150
    else:
        names.sort(key=lambda name: (_seconds_of(name), name))
    return [f"cur/{name}" if name in in_cur else f"new/{name}" for name in names]


def opener(path: str, flags: int) -> int:
    """For `open`: where another program has put a pipe or a link, it is neither waited for nor followed."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def read_beginning(path: str, octets: int) -> bytes:
    """As many of a message as are looked at, LF line ends.  Raises OSError."""
    with open(path, "rb", buffering=0, opener=opener) as file:
        return file.read(octets).replace(b"\r\n", b"\n")


def total(maildir: str) -> tuple[int, int]:
    """How many messages there are, and their octets on the wire; on disk, of those that do not say.  Raises OSError."""
    paths = scan(maildir)
    octets = 0
    for path in paths:
        size = wire_size_of(name_of(path))
        with suppress(FileNotFoundError):
            octets += os.stat(f"{maildir}/{path}").st_size if size is None else size
    return len(paths), octets


def unique_ids(paths: list[str]) -> list[str]:
    """The unique-id of each of *paths*; of two files that share one, the later has a digest of its whole name."""
    uids = [uid_of(path[4:]) for path in paths]
    if len(set(uids)) < len(uids):
        seen: set[str] = set()
        for index, uid in enumerate(uids):
            if uid in seen:
                uids[index] = uid = digest(name_of(paths[index]))
            seen.add(uid)
    return uids


def _kept_uid(name: str) -> str | None:
    """What `keeping_uid` was told; None: nobody but another program can have written that."""
    match = _KEPT_UID.search(name)
    if match is None or ":" in name[: match.start()]:
        return None
    with suppress(ValueError):
        octets = urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
        return octets.decode("ascii") if _VALID_UID.fullmatch(octets) else None
    return None


def _number(pattern: re.Pattern[str], name: str) -> int | None:
    """What stands in *name* by *pattern*, if it stands before the flags."""
    match = pattern.search(name)
    return int(match.group(1)) if match and ":" not in name[: match.start()] else None


def _files(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False) and entry.name[0] != "."]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _seconds_of(name: str) -> int:
    match = _SECONDS.match(name)
    return int(match.group()) if match else 0
