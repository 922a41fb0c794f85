"""`mailserver send`, also by the name `sendmail`: takes a message on standard input, for scripts and cron.

Exit status 0 says that the message is on disk for good; the server sends it within a second, or when it starts.  Any
other status is one of sysexits.h, says why on standard error, and the message was not taken for anybody.
"""

from __future__ import annotations

import argparse
import os
import pwd
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formataddr, formatdate

from twisted_mail.auth.directory import Directory, DirectoryError
from twisted_mail.cli.commandline import CommandError, Parser, be_command
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.config import Config, ConfigError
from twisted_mail.content import Message, message_of
from twisted_mail.durable import run_now
from twisted_mail.interfaces import NoSuchUser, UserDisabled
from twisted_mail.message.identifier import message_id
from twisted_mail.message.submitted import completed, message_text, recipients
from twisted_mail.pickup import pickup_folder
from twisted_mail.queue import requests
from twisted_mail.queue.spool import Envelope, SpoolFiles, addition, new_entry
from twisted_mail.smtp.address import Address, AddressError, parse_address
from twisted_mail.smtp.envelope import Body, MailOptions, Origin, Recipient

_FLAGS = "vmnUG"
"""Of other sendmail commands; they have no meaning here, and do no harm."""
_VALUES = "BLpXdeA"
"""Likewise, with a value."""


def add_family(parser: Parser) -> None:
    """The command has no subcommands."""
    be_command(parser, send)
    parser.error_status = os.EX_USAGE
    parser.add_argument("recipients", metavar="ADDRESS", nargs="*", help="who gets it; a name alone is of our domain")
    parser.add_argument("-t", dest="extract", action="store_true", help="also who stands in To, Cc and Bcc")
    parser.add_argument("-f", "-r", dest="sender", metavar="ADDRESS", help="the sender; <> for none")
    parser.add_argument("-F", dest="name", metavar="NAME", help="the sender's full name, where From is missing")
    parser.add_argument("-i", dest="dots", action="store_true", help="a line with one dot does not end the message")
    parser.add_argument("-o", dest="options", metavar="OPTION", action="append", default=[], help="-oi is -i")
    parser.add_argument("-b", dest="mode", choices="m", default="m", help=argparse.SUPPRESS)
    for flag in _FLAGS:
        parser.add_argument(f"-{flag}", action="store_true", help=argparse.SUPPRESS)
    for flag in _VALUES:
        parser.add_argument(f"-{flag}", help=argparse.SUPPRESS)


def send(arguments: argparse.Namespace) -> None:
    with _sysexits():
        config = _configuration(arguments)
        octets = _read(config)
        try:
            with opened_directory(config) as directory:
                message, envelope, to = _Submission(arguments, config, directory).compose(octets)
                put(pickup_folder(config), message, envelope, to)
        except (PermissionError, DirectoryError, ConfigError) as error:
            raise _no_right(config, error) from error


def put(folder: str, message: Message, envelope: Envelope, to: Iterable[Recipient]) -> None:
    """Have it in the queue that lies in *folder*, for good.  Blocks; raises OSError."""
    files = SpoolFiles(folder)
    files.make()
    entry = new_entry(envelope, to, message, time.time())
    run_now(addition(files, entry, message))
    requests.ask(folder, entry.id, requests.Verb.NEW)


@contextmanager
def _sysexits() -> Iterator[None]:
    """Every failure gets the status by which other programs know it."""
    try:
        yield
    except ConfigError as error:
        raise CommandError(str(error), os.EX_CONFIG) from error
    except OSError as error:
        problem = f"{error.filename or 'the disk'}: {error.strerror or error}; nothing was sent, try again later"
        raise CommandError(problem, os.EX_TEMPFAIL) from error


def _configuration(arguments: argparse.Namespace) -> Config:
    try:
        return configuration(arguments)
    except CommandError as error:
        raise CommandError(str(error), os.EX_CONFIG) from error


def _no_right(config: Config, error: Exception) -> CommandError:
    """The directory or the folder could not be opened: mostly because somebody else's they are."""
    if os.geteuid() == 0 or os.access(config.server_folder, os.W_OK | os.X_OK):
        return CommandError(f"{error}; nothing was sent, try again later", os.EX_TEMPFAIL)
    return CommandError(
        f"{config.data} belongs to the server's user: only that user and root may send this way; nothing was sent",
        os.EX_NOPERM,
    )


def _read(config: Config) -> bytes:
    octets = sys.stdin.buffer.read(config.limits.message_size + 1)
    if len(octets) > config.limits.message_size:
        limit = config.limits.message_size
        raise CommandError(f"the message has more than {limit} octets (message_size); nothing was sent", os.EX_DATAERR)
    return octets


@dataclass(frozen=True, slots=True)
class _Submission:
    """One command line, with what it needs to know."""

    arguments: argparse.Namespace
    config: Config
    directory: Directory

    def compose(self, octets: bytes) -> tuple[Message, Envelope, list[Recipient]]:
        """Raises CommandError."""
        arguments = self.arguments
        text = message_text(octets, dot_ends=not arguments.dots and "i" not in arguments.options)
        named = [*arguments.recipients, *(recipients(text) if arguments.extract else ())]
        if not named:
            more = "the message names none" if arguments.extract else "or -t, if the message names them"
            raise CommandError(f"there is no recipient; give addresses, {more}", os.EX_USAGE)
        to = list(dict.fromkeys(self._address(each) for each in named))
        for address in to:
            self._check(address)
        identifier = message_id(time.time_ns() // 1_000_000, os.urandom(10))
        sender = self._sender()
        message = message_of(identifier, completed(text, self._defaults(identifier, sender)))
        is_ascii = all(each.is_ascii for each in (*to, sender) if each is not None)
        seven = message.header.isascii() and b"".join(message.pieces()).isascii()
        options = MailOptions(body=Body.SEVEN_BIT if seven else Body.EIGHT_BIT_MIME, smtputf8=not is_ascii)
        origin = Origin(peer="", session=identifier, protocol="local", hello=self.config.hostname)
        return message, Envelope(origin, sender, options), [Recipient(address) for address in to]

    def _defaults(self, identifier: str, sender: Address | None) -> dict[str, str]:
        """Header fields for a message without them."""
        hostname = self.config.hostname
        author = str(sender or f"MAILER-DAEMON@{hostname}")
        name = self.arguments.name if self.arguments.name is not None else _full_name()
        shown = formataddr((name, author)) if author.isascii() else f"<{author}>"
        return {"From": shown, "Date": formatdate(localtime=True), "Message-ID": f"<{identifier}@{hostname}>"}

    def _sender(self) -> Address | None:
        written = self.arguments.sender
        if written is None:
            return self._address(_login_name())
        return None if written in ("", "<>") else self._address(written)

    def _address(self, text: str) -> Address:
        """A name alone is of the domain of this machine."""
        text = text.removeprefix("<").removesuffix(">")
        try:
            return parse_address(text if "@" in text else f"{text}@{self._domain()}")
        except AddressError as error:
            raise CommandError(f"{error}; nothing was sent", os.EX_USAGE) from error

    def _domain(self) -> str:
        """The first of ours among the host's name and what is above it; else the host's name."""
        hostname = self.config.hostname
        labels = hostname.split(".")
        above = (".".join(labels[count:]) for count in range(len(labels)))
        return next((domain for domain in above if self.directory.owns(domain)), hostname)

    def _check(self, address: Address) -> None:
        """Somebody takes mail for *address*.  Raises CommandError."""
        if not self.directory.owns(address.domain):
            if problem := self._problem_outside(address.domain):
                raise CommandError(f"{address}: {problem}; nothing was sent", os.EX_UNAVAILABLE)
            return
        try:
            self.directory.expansion(address)
        except NoSuchUser:
            raise CommandError(f"there is no mailbox {address} here; nothing was sent", os.EX_NOUSER) from None
        except UserDisabled:
            raise CommandError(f"the mailbox {address} is switched off; nothing was sent", os.EX_UNAVAILABLE) from None

    def _problem_outside(self, domain: str) -> str:
        if self.config.file is None:  # demo mode takes everything
            return ""
        if domain == self.config.hostname:
            return f"{domain} is no domain of this server; write the address in full"
        return "" if self.config.relay.enabled else "this server does not send mail to other domains"


def _login_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without an entry, as in containers
        return f"uid-{os.getuid()}"


def _full_name() -> str:
    """That of the user who runs the command; "" where there is none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]
    except KeyError:
        return ""
