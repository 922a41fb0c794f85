"""The unique-ids that other servers gave to the messages of a Maildir: Dovecot's uidlist and Courier's size list.

Both name files without their flags.  A file that is not in the list was never shown to any POP3 client.
"""

from __future__ import annotations

import os
import re

from twisted_mail.mailbox import maildir
from twisted_mail.moving.letter import MovingError

DOVECOT = "dovecot-uidlist"
COURIER = "courierpop3dsizelist"

DOVECOT_FORMAT = "%08Xu%08Xv"
"""Dovecot's own pop3_uidl_format where its configuration has none."""

Names = dict[str, str]
"""File name without flags -> unique-id."""

_VARIABLE = re.compile(r"%(?:(0?)([0-9]{1,2}))?(X?)([uvfg%])")


def uids_of(folder: str, dovecot_format: str) -> Names | None:
    """What the list in the Maildir at *folder* says; None: there is none.  Raises OSError or MovingError."""
    for name in (DOVECOT, COURIER):
        try:
            with open(f"{folder}/{name}", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                lines = file.read().split("\n")
        except FileNotFoundError:
            continue
        return from_dovecot(lines, dovecot_format) if name == DOVECOT else from_courier(lines)
    return None


def from_dovecot(lines: list[str], template: str = DOVECOT_FORMAT) -> Names:
    """`3 V1275660208 N25022 ...`, then `25006 W2345 P0012... :NAME`; older: `1 1275660208 25022`, then `25006 NAME`.

    A P entry is a unique-id that was kept from a server before.  Raises MovingError.
    """
    check_format(template)
    head = lines[0].split(" ")
    validity = head[1].removeprefix("V") if len(head) > 1 else ""
    if head[0] not in ("1", "3") or not validity.isdecimal():
        raise MovingError(f"{DOVECOT} begins with a line that is not of version 1 or 3; let Dovecot open the mailbox")
    names: Names = {}
    for line in lines[1:]:
        if head[0] == "3":
            entry, _, name = line.partition(" :")
            words = entry.split(" ")
        else:
            uid, _, name = line.partition(" ")
            words = [uid]
        if not name or not words[0].isdecimal():
            continue
        extra = {word[0]: word[1:] for word in words[1:] if word}
        key = maildir.without_flags(name)
        names[key] = extra.get("P") or _filled(template, int(words[0]), int(validity), key, extra.get("G", key))
    return names


def from_courier(lines: list[str]) -> Names:
    """`/3 25022 1275660208`, then `NAME SIZE 25006:1275660208:0`; version 2 has no last field."""
    if not re.match(r"/[23] ", lines[0]):
        return {}
    names: Names = {}
    for line in lines[1:]:
        match = re.fullmatch(r"(.+) [0-9]+ ([0-9]+):([0-9]+)(?::[0-9]+)?", line)
        if match is None:
            continue
        key = maildir.without_flags(match[1])
        if match[2] == "0":
            names[key] = _courier_name(key)
        else:
            names[key] = f"UID{match[2]}" + (f"-{match[3]}" if match[3] != "0" else "")
    return names


def check_format(template: str) -> None:
    """Raises MovingError where it has a variable that cannot be known from the Maildir."""
    left = _VARIABLE.sub("", template)
    if "%" in left or not template:
        raise MovingError(
            f'the UIDL format "{template}" can have %u, %v, %f and %g (as in {DOVECOT_FORMAT}); correct it'
        )


def _filled(template: str, uid: int, validity: int, name: str, guid: str) -> str:
    values: dict[str, int | str] = {"u": uid, "v": validity, "f": name, "g": guid, "%": "%"}

    def text(match: re.Match[str]) -> str:
        value = values[match[4]]
        if isinstance(value, int):
            value = f"{value:x}" if match[3] else str(value)
        width = int(match[2] or 0)
        return value.rjust(width, "0" if match[1] else " ")[-width:] if match[1] else value[: width or None]

    return _VARIABLE.sub(text, template)


def _courier_name(key: str) -> str:
    return "".join(
        chr(octet) if 0x21 <= octet <= 0x7E and octet not in b"'\"+" else f"+{octet:02X}" for octet in os.fsencode(key)
    )
