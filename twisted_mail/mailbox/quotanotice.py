"""The message that tells a user that the mailbox is nearly full, and the memory that it was told."""

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

_MIB = 1024 * 1024


def level_of(octets: int, quota: int) -> int:
    """The highest of LEVELS that is reached, or 0."""
    return next((level for level in LEVELS if octets * 100 >= quota * level), 0)


def told_level(path: str) -> int:
    """What FILE_NAME says of the Maildir at *path*.  Raises OSError."""
    try:
        with open(f"{path}/{FILE_NAME}", encoding="ascii", errors="replace") as file:
            text = file.read(8).strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isascii() and text.isdecimal() else 0


def remember_level(path: str, level: int) -> None:
    """A crash may forget it, then the user is told twice.  Raises OSError."""
    with open(f"{path}/{FILE_NAME}", "w", encoding="ascii") as file:
        file.write(f"{level}\n")


def notice(identifier: str, account: Address, hostname: str, octets: int, quota: int) -> Message:
    """*octets* of *quota* are used."""
    percent = octets * 100 // quota
    text = (
        f"From: Mail server <postmaster@{account.domain}>\n"
        f"To: {account}\n"
        f"Subject: Your mailbox is {percent} per cent full\n"
        f"Date: {format_datetime(datetime.fromtimestamp(milliseconds_of(identifier) // 1000, UTC))}\n"
        f"Message-ID: <{identifier}@{hostname}>\n"
        "Auto-Submitted: auto-generated\n"
        "MIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n"
        "\n"
        f"The mailbox of {account} holds {octets / _MIB:.1f} of {quota / _MIB:.1f} MiB.\n"
        "When it is full, new mail is refused: those who write to you are told to try again later.\n"
        "\n"
        "To make room, let your mail program delete from the server what it has fetched\n"
        '(often a setting called "leave messages on the server"), or delete large messages there.\n'
        "If you need more room, ask your administrator.\n"
    )
    return message_of(identifier, text.encode())
