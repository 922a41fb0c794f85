"""`mailserver alias`: addresses that stand for others.  `@example.org` takes all that the domain does not have.

An alias with an owner is a list: the owner is the sender of all its copies, hears what fails, and may ask for the
members (EXPN).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from twisted_mail.auth.names import account_address, alias_address, alias_text, domain_name
from twisted_mail.cli.attributes import Attribute, add_set_command, add_settings, parsed_settings
from twisted_mail.cli.commandline import Parser, add_command, add_json, subcommands
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.tables import print_rows

OWNER = "owner"


def _account(text: str) -> str:
    return str(account_address(text))


ATTRIBUTES: Mapping[str, Attribute] = {
    OWNER: Attribute(_account, "the account that is the sender of all copies, hears what fails and may see the members")
}


def add_family(parser: Parser) -> None:
    """alias add, list, set, remove."""
    commands = subcommands(parser)
    add = add_command(commands, "add", "Deliver mail for an address to others; @DOMAIN is the catch-all.", add_alias)
    add.add_argument("alias", metavar="ADDRESS")
    add.add_argument("targets", metavar="TARGET", nargs="+", help="an address here or in another domain")
    add.add_argument("--owner", metavar="ACCOUNT", help="make it a list of which this account hears what fails")
    listing = add_command(commands, "list", "List the aliases.", list_aliases)
    listing.add_argument("domain", metavar="DOMAIN", nargs="?")
    add_json(listing)
    setting = add_set_command(commands, "an alias", ATTRIBUTES, set_attributes)
    setting.add_argument("alias", metavar="ADDRESS")
    add_settings(setting)
    remove = add_command(commands, "remove", "Remove an alias, or only some of its targets.", remove_alias)
    remove.add_argument("alias", metavar="ADDRESS")
    remove.add_argument("targets", metavar="TARGET", nargs="*")


def add_alias(arguments: argparse.Namespace) -> None:
    alias = alias_address(arguments.alias)
    targets = [alias_address(target) for target in arguments.targets]
    owner = account_address(arguments.owner) if arguments.owner else None
    config = configuration(arguments)
    with opened_directory(config) as directory:
        directory.aliases.add(alias, targets, owner)
        ours = {domain.name for domain in directory.domains()}
    print(f"{alias_text(alias)} now leads to {', '.join(map(str, targets))}")
    outside = [str(target) for target in targets if target.domain not in ours]
    if outside and config.file is None:
        print(f"demo mode sends nothing out: what is for {', '.join(outside)} lands in the demo mailbox")
    elif outside and not config.relay.enabled:
        print(f"nothing reaches {', '.join(outside)} while [relay] has enabled = false")


def list_aliases(arguments: argparse.Namespace) -> None:
    domain = domain_name(arguments.domain) if arguments.domain else None
    with opened_directory(configuration(arguments)) as directory:
        found = directory.aliases.all(domain)
    rows: list[dict[str, object]] = [
        {
            "alias": alias_text(alias.address),
            "targets": [str(target) for target in alias.targets],
            "owner": str(alias.owner) if alias.owner else None,
        }
        for alias in found
    ]
    print_rows(rows, as_json=arguments.json, nothing="no aliases yet; add one: mailserver alias add ADDRESS TARGET")


def set_attributes(arguments: argparse.Namespace) -> None:
    alias = alias_address(arguments.alias)
    owner = parsed_settings(arguments, ATTRIBUTES)[OWNER]
    with opened_directory(configuration(arguments)) as directory:
        directory.aliases.set_owner(alias, account_address(owner) if owner else None)
    print(f"{alias_text(alias)}: {f'{OWNER}={owner}' if owner else 'nothing in particular'}")


def remove_alias(arguments: argparse.Namespace) -> None:
    alias = alias_address(arguments.alias)
    targets = [alias_address(target) for target in arguments.targets]
    with opened_directory(configuration(arguments)) as directory:
        directory.aliases.remove(alias, targets)
    what = f" -> {', '.join(map(str, targets))}" if targets else ""
    print(f"removed {alias_text(alias)}{what}")
