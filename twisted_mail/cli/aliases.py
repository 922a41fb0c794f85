"""`mailserver alias`: addresses that stand for others.  `@example.org` takes all that the domain does not have."""

from __future__ import annotations

import argparse

from twisted_mail.auth.names import alias_address, alias_text, domain_name
from twisted_mail.cli.commandline import Parser, add_command, add_json, subcommands
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.tables import print_rows


def add_family(parser: Parser) -> None:
    """alias add, list, remove."""
    commands = subcommands(parser)
    add = add_command(commands, "add", "Deliver mail for an address to others; @DOMAIN is the catch-all.", add_alias)
    add.add_argument("alias", metavar="ADDRESS")
    add.add_argument("targets", metavar="TARGET", nargs="+")
    listing = add_command(commands, "list", "List the aliases.", list_aliases)
    listing.add_argument("domain", metavar="DOMAIN", nargs="?")
    add_json(listing)
    remove = add_command(commands, "remove", "Remove an alias, or only some of its targets.", remove_alias)
    remove.add_argument("alias", metavar="ADDRESS")
    remove.add_argument("targets", metavar="TARGET", nargs="*")


def add_alias(arguments: argparse.Namespace) -> None:
    alias = alias_address(arguments.alias)
    targets = [alias_address(target) for target in arguments.targets]
    with opened_directory(configuration(arguments)) as directory:
        directory.add_alias(alias, targets)
    print(f"{alias_text(alias)} now leads to {', '.join(map(str, targets))}")


def list_aliases(arguments: argparse.Namespace) -> None:
    domain = domain_name(arguments.domain) if arguments.domain else None
    with opened_directory(configuration(arguments)) as directory:
        found = directory.aliases(domain)
    rows: list[dict[str, object]] = [
        {"alias": alias_text(alias.address), "targets": [str(target) for target in alias.targets]} for alias in found
    ]
    print_rows(rows, as_json=arguments.json, nothing="no aliases yet; add one: mailserver alias add ADDRESS TARGET")


def remove_alias(arguments: argparse.Namespace) -> None:
    alias = alias_address(arguments.alias)
    targets = [alias_address(target) for target in arguments.targets]
    with opened_directory(configuration(arguments)) as directory:
        directory.remove_alias(alias, targets)
    what = f" -> {', '.join(map(str, targets))}" if targets else ""
    print(f"removed {alias_text(alias)}{what}")
