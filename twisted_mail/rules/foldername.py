"""Names of folders, as people write them and as they stand on disk (Maildir++).

`Work.Invoices` is the folder `.Work.Invoices` of the Maildir.  What is not ASCII stands there in the modified UTF-7 of
IMAP (RFC 3501 §5.1.3), as other programs that share Maildirs expect.
"""

from __future__ import annotations

import re
from base64 import b64encode

INBOX = "INBOX"
"""In any case: the mailbox itself."""
SEPARATOR = "."
MAX_OCTETS = 200
"""On disk: file systems take 255."""

_ENCODED = re.compile(r"[^ -~]+|&")
# a % ends the name of the user in a login: a folder with one could not be opened by POP3
_WRONG = re.compile(r"[/%\x00-\x1f\x7f\ud800-\udfff]")


def disk_name(name: str) -> str:
    """Of a folder; empty for the inbox.  Raises ValueError, in words for who wrote *name*."""
    if name.upper() == INBOX:
        return ""
    if name.upper().startswith(f"{INBOX}{SEPARATOR}"):
        name = name[len(INBOX) + 1 :]
    if _WRONG.search(name):
        raise ValueError(
            f'"{name}" cannot be a folder: a dot leads into a folder, as in "Work.Invoices"; / and % stand in none'
        )
    if not all(part.strip() for part in name.split(SEPARATOR)):
        raise ValueError(f'"{name}" cannot be a folder: there must be something before and behind each dot')
    written = f"{SEPARATOR}{_ENCODED.sub(_modified_utf7, name)}"
    if len(written) > MAX_OCTETS:
        raise ValueError(f'"{name}" is too long for a folder: on disk it has {len(written)} octets, of {MAX_OCTETS}')
    return written


def _modified_utf7(match: re.Match[str]) -> str:
    text = match[0]
    if text == "&":
        return "&-"
    return f"&{b64encode(text.encode('utf-16-be')).decode('ascii').rstrip('=').replace('/', ',')}-"
