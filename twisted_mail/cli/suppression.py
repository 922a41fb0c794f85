"""`mailserver suppression`: addresses that nothing is sent to, because their servers know nobody of that name."""

from __future__ import annotations

import argparse
import os
import time

from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.opening import configuration
from twisted_mail.cli.tables import print_rows, timestamp
from twisted_mail.config import Config
from twisted_mail.ownership import acting_as, owner_of
from twisted_mail.queue.suppression import Suppression
from twisted_mail.smtp.address import Address, AddressError, parse_address


def add_family(parser: Parser) -> None:
    """suppression list, remove."""
    commands = subcommands(parser)
    add_json(add_command(commands, "list", "List them, with what their servers said.", list_addresses))
    remove = add_command(commands, "remove", "Send to addresses again.", remove_addresses)
    remove.add_argument("addresses", metavar="ADDRESS", nargs="+")


def list_addresses(arguments: argparse.Namespace) -> None:
    config = configuration(arguments)
    with acting_as(owner_of(config.data)):
        found = _suppression(config).suppressed(time.time())
    rows: list[dict[str, object]] = [
        {"address": each.address, "until": timestamp(int(each.until)), "reply": each.reply} for each in found
    ]
    print_rows(rows, as_json=arguments.json, nothing="no address is suppressed")


def remove_addresses(arguments: argparse.Namespace) -> None:
    addresses = [_address(text) for text in arguments.addresses]
    config = configuration(arguments)
    with acting_as(owner_of(config.data)):
        suppression = _suppression(config)
        for address in addresses:
            if not suppression.remove(address):
                raise CommandError(f"{address} is not suppressed; see: mailserver suppression list")
            print(f"{address} is tried again")


def _suppression(config: Config) -> Suppression:
    return Suppression(os.path.join(config.server_folder, "queue"))


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except AddressError as error:
        raise CommandError(f"{error}; write it as the list has it") from error
