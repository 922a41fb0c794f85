"""The message that tells that a mailbox, or those of a domain, are nearly full, and the memory that it was told."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

from twisted_mail.content import Message, message_of
from twisted_mail.message.identifier import milliseconds_of
from twisted_mail.smtp.address import Address

LEVELS = (95, 80)
"""Per cent of the quota at which the user is told, the highest first."""

FILE_NAME = "twisted-mail.quota"
"""In the Maildir: the level of which the user was told last; missing: none."""
DOMAIN_FILE_NAME = f".{FILE_NAME}"
"""The same in the folder of a domain, where no account's name begins with a dot."""

_MIB = 1024 * 1024


def level_of(octets: int, quota: int) -> int:
    """The highest of LEVELS that is reached, or 0."""
    return next((level for level in LEVELS if octets * 100 >= quota * level), 0)


def told_level(file_name: str) -> int:
    """What the file says.  Raises OSError."""
    try:
        with open(file_name, encoding="ascii", errors="replace") as file:
            text = file.read(8).strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isascii() and text.isdecimal() else 0


def remember_level(file_name: str, level: int) -> None:
    """A crash may forget it, then the user is told twice.  Raises OSError."""
    with open(file_name, "w", encoding="ascii") as file:
        file.write(f"{level}\n")


def notice(identifier: str, to: Address, hostname: str, octets: int, quota: int, *, of_domain: bool = False) -> Message:
    """*octets* of *quota* are used; *of_domain*: by all its mailboxes, whose postmaster is told."""
    percent = octets * 100 // quota
    whose = f"The mailboxes of {to.domain} are" if of_domain else "Your mailbox is"
    holder = f"The mailboxes of {to.domain} hold" if of_domain else f"The mailbox of {to} holds"
    text = (
        f"From: Mail server <postmaster@{to.domain}>\n"
        f"To: {to}\n"
        f"Subject: {whose} {percent} per cent full\n"
        f"Date: {format_datetime(datetime.fromtimestamp(milliseconds_of(identifier) // 1000, UTC))}\n"
        f"Message-ID: <{identifier}@{hostname}>\n"
        "Auto-Submitted: auto-generated\n"
        "MIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n"
        "\n"
        f"{holder} {octets / _MIB:.1f} of {quota / _MIB:.1f} MiB.\n"
        "When that is full, new mail is refused: those who write are told to try again later.\n"
        "\n"
        f"{_DOMAIN_ADVICE if of_domain else _ADVICE}"
    )
    return message_of(identifier, text.encode())


_ADVICE = (
    "To make room, let your mail program delete from the server what it has fetched\n"
    '(often a setting called "leave messages on the server"), or delete large messages there.\n'
    "If you need more room, ask your administrator.\n"
)
_DOMAIN_ADVICE = (
    "To make room, ask its users to let their mail programs delete from the server what they have fetched.\n"
    "`mailserver account show ADDRESS` says how much each keeps.  More is allowed by:\n"
    "mailserver domain set DOMAIN total-quota=SIZE\n"
)
