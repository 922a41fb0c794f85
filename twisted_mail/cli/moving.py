"""`mailserver import` and `mailserver export`: the mail of one account from and to other programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from twisted_mail.auth.names import account_address
from twisted_mail.cli.asking import ask_password
from twisted_mail.cli.commandline import CommandError, Parser, be_command
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.progress import Progress
from twisted_mail.config import Config
from twisted_mail.mailbox.store import maildir_of
from twisted_mail.moving.export import to_maildir, to_mbox
from twisted_mail.moving.intake import Count, Intake
from twisted_mail.moving.letter import MovingError, Source
from twisted_mail.moving.maildirs import MaildirSource, is_maildir
from twisted_mail.moving.mboxes import MboxSource
from twisted_mail.moving.pop3client import Account, POP3Client, is_url
from twisted_mail.moving.pop3source import POP3Source
from twisted_mail.moving.uidlists import DOVECOT_FORMAT, check_format
from twisted_mail.ownership import acting_as, owner_of
from twisted_mail.smtp.address import Address

MAX_NAMED = 20
"""Problems that are named one by one."""


def add_import(parser: Parser) -> None:
    """import, which has no subcommands."""
    be_command(parser, import_mail)
    parser.epilog = "It may be interrupted and run again: nothing is taken twice.  The server may run meanwhile."
    parser.add_argument("address", metavar="ACCOUNT")
    parser.add_argument("source", metavar="SOURCE", help="a Maildir, an mbox, or pop3s://user@host or pop3://user@host")
    parser.add_argument("--folders", action="store_true", help="the subfolders of a Maildir++, too; all become one")
    parser.add_argument(
        "--uidl-format",
        metavar="FORMAT",
        default=DOVECOT_FORMAT,
        help="Dovecot's pop3_uidl_format, of a Maildir that it has served; default: %%08Xu%%08Xv",
    )
    add_pop3_options(parser)


def add_pop3_options(parser: Parser) -> None:
    """Of commands that log in to other servers."""
    parser.add_argument(
        "--password-stdin", action="store_true", help="read POP3 passwords from standard input, a line each"
    )
    parser.add_argument("--insecure", action="store_true", help="take any certificate of a POP3 server, or no TLS")


def add_export(parser: Parser) -> None:
    """export, which has no subcommands."""
    be_command(parser, export_mail)
    parser.add_argument("address", metavar="ACCOUNT")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--mbox", metavar="FILE", help="a new file, with the unique-ids as X-UIDL")
    target.add_argument("--maildir", metavar="FOLDER", help="a new Maildir")


def import_mail(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    config = configuration(arguments)
    path = checked_account(config, address)
    owner = owner_of(config.data)
    intake = Intake(path, config.hostname, lambda: acting_as(owner))
    with moving_errors(), ExitStack() as stack:
        source = _source(arguments, stack)
        try:
            with Progress(f"importing into {address}", source.total) as progress:
                intake.take(source, progress.advance)
        finally:
            _tell(address, intake.count, source)
    if source.problems:
        many = "1 message" if len(source.problems) == 1 else f"{len(source.problems)} messages"
        raise CommandError(f"{many} could not be read, see above; mend that and run this again")


def export_mail(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    path = checked_account(configuration(arguments), address)
    with moving_errors():
        source = MaildirSource(path)
        with Progress(f"exporting {address}", source.total) as progress:
            write, target = (to_mbox, arguments.mbox) if arguments.mbox else (to_maildir, arguments.maildir)
            count = write(source, target, progress.advance)
    print(f"exported {messages(count)} of {address} to {target}")


def checked_account(config: Config, address: Address) -> str:
    """The Maildir of an account that is there.  Raises CommandError."""
    with opened_directory(config) as directory:
        if directory.account(address) is None:
            raise CommandError(f"there is no account {address}; add it: mailserver account add {address}")
    return maildir_of(config.data, address)


@contextmanager
def moving_errors() -> Iterator[None]:
    """A MovingError is one of the command."""
    try:
        yield
    except MovingError as error:
        raise CommandError(str(error)) from error


def messages(count: int) -> str:
    """`1 message`, `2 messages`."""
    return "1 message" if count == 1 else f"{count} messages"


def pop3_client(arguments: argparse.Namespace, account: Account) -> POP3Client:
    """Logged in.  Raises CommandError or MovingError."""
    return POP3Client(account, ask_password(arguments, account), insecure=arguments.insecure)


def _source(arguments: argparse.Namespace, stack: ExitStack) -> Source:
    check_format(arguments.uidl_format)
    if is_url(arguments.source):
        account = Account.parse(arguments.source)
        return POP3Source(account, stack.enter_context(pop3_client(arguments, account)))
    if not is_maildir(arguments.source):
        return MboxSource(arguments.source)
    source = MaildirSource(arguments.source, with_folders=arguments.folders, dovecot_format=arguments.uidl_format)
    for name, count in source.left_out:
        print(f"left out: the folder {name} with {messages(count)}; --folders takes them, too", file=sys.stderr)
    return source


def _tell(address: Address, count: Count, source: Source) -> None:
    told = [f"imported {messages(count.taken)} into {address}"]
    if count.earlier:
        told.append(f"{count.earlier} were there already")
    if count.without_uid:
        told.append(f"{count.without_uid} had no unique-id of their own: mail programs will fetch those")
    print("; ".join(told))
    for problem in source.problems[:MAX_NAMED]:
        print(f"not imported: {problem}", file=sys.stderr)
