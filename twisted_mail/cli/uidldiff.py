"""`mailserver uidl-diff`: would anybody who knows one mailbox fetch anything again from another?

Exit status 0: nothing; 1: something, or it cannot be said.
"""

from __future__ import annotations

import argparse
import os

from twisted_mail.auth.names import DirectoryError, account_address
from twisted_mail.cli.commandline import CommandError, Parser, be_command
from twisted_mail.cli.moving import MAX_NAMED, add_pop3_options, checked_account, messages, moving_errors, pop3_client
from twisted_mail.cli.opening import configuration
from twisted_mail.moving.maildirs import is_maildir
from twisted_mail.moving.pop3client import Account, is_url
from twisted_mail.moving.uidlisting import NONE, Difference, difference, of_file, of_maildir, of_server
from twisted_mail.moving.uidlists import DOVECOT_FORMAT, check_format


def add_family(parser: Parser) -> None:
    """uidl-diff, which has no subcommands."""
    be_command(parser, compare)
    parser.epilog = (
        "OLD and NEW are pop3s://user@host or pop3://user@host, an account of this server, a Maildir, or a listing "
        "that was saved in a file.  With OLD alone: print its listing, to be saved.  A Maildir that only Dovecot or "
        "Courier has served has the unique-ids of that server.  Exit status 1 if anything would be downloaded again."
    )
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW", nargs="?")
    parser.add_argument(
        "--uidl-format",
        metavar="FORMAT",
        default=DOVECOT_FORMAT,
        help="Dovecot's pop3_uidl_format; default: %%08Xu%%08Xv",
    )
    add_pop3_options(parser)


def compare(arguments: argparse.Namespace) -> None:
    """Raises CommandError where something would be downloaded again."""
    with moving_errors():
        check_format(arguments.uidl_format)
        old = _listing(arguments, arguments.old)
        if arguments.new is None:
            for number, uid in enumerate(old, 1):
                print(f"{number} {uid or NONE}")
            return
        new = _listing(arguments, arguments.new)
    found = difference(old, new)
    _tell(found)
    if unseen := old.count(None):
        print(f"{messages(unseen)} of OLD no mail program has seen yet")
    print(f"{len(found.again)} of {len(new)} would be downloaded again")
    if found.again:
        raise CommandError("mail programs would fetch those above again; were they imported with their unique-ids?")


def _listing(arguments: argparse.Namespace, place: str) -> list[str | None]:
    if is_url(place):
        account = Account.parse(place)
        with pop3_client(arguments, account) as client:
            return of_server(client)
    if is_maildir(place):
        return of_maildir(place, arguments.uidl_format)
    if os.path.isfile(place):
        return of_file(place)
    try:
        address = account_address(place)
    except DirectoryError:
        raise CommandError(
            f"{place} is no Maildir and no file; name one of these, an account of this server, or pop3s://user@host"
        ) from None
    return of_maildir(checked_account(configuration(arguments), address), None)


def _tell(found: Difference) -> None:
    for number, uid in found.again[:MAX_NAMED]:
        print(f"again: message {number}, {uid}")
    if len(found.again) > MAX_NAMED:
        print(f"and {len(found.again) - MAX_NAMED} more")
    if found.missing:
        print(f"{len(found.missing)} of OLD are not in NEW, the first is {found.missing[0]}")
