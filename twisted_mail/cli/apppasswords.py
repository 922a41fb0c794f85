"""`mailserver account app-password`: one password more for each program or device of an account."""

from __future__ import annotations

import argparse

from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.names import account_address
from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.tables import print_rows, timestamp


def add_family(accounts: argparse._SubParsersAction[Parser]) -> None:
    """app-password add, list, remove."""
    text = "Further passwords of an account, one for each program or device."
    commands = subcommands(accounts.add_parser("app-password", help=text, description=text))
    add = add_command(commands, "add", "Make a password and show it, this once.", add_password)
    add.add_argument("address", metavar="ADDRESS")
    add.add_argument("name", metavar="NAME", help="what it is for, as in phone")
    add.add_argument(
        "--for",
        dest="purpose",
        metavar="PROTOCOL",
        choices=[purpose.value for purpose in Purpose],
        help="smtp: only for sending; pop3: only for fetching; default: both",
    )
    listing = add_command(commands, "list", "List them, without the passwords.", list_passwords)
    listing.add_argument("address", metavar="ADDRESS")
    add_json(listing)
    remove = add_command(commands, "remove", "Make one void; the others stay.", remove_password)
    remove.add_argument("address", metavar="ADDRESS")
    remove.add_argument("name", metavar="NAME")


def add_password(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    purposes = (Purpose(arguments.purpose),) if arguments.purpose else tuple(Purpose)
    with opened_directory(configuration(arguments)) as directory:
        print(directory.app_passwords.add(address, arguments.name, purposes, directory.salt(address)))


def list_passwords(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    with opened_directory(configuration(arguments)) as directory:
        if directory.account(address) is None:
            raise CommandError(f"there is no account {address}; see: mailserver account list")
        found = directory.app_passwords.list(address)
    rows: list[dict[str, object]] = [
        {
            "name": each.name,
            "for": [purpose.value for purpose in each.purposes],
            "created": timestamp(each.created),
            "last_used": None if each.last_used is None else timestamp(each.last_used),
        }
        for each in found
    ]
    nothing = f"no app passwords yet; add one: mailserver account app-password add {address} NAME"
    print_rows(rows, as_json=arguments.json, nothing=nothing)


def remove_password(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    with opened_directory(configuration(arguments)) as directory:
        directory.app_passwords.remove(address, arguments.name)
    print(f"removed {arguments.name} of {address}")
