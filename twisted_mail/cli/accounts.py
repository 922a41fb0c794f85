"""`mailserver account` and `mailserver passwd`: the people whose mail is kept here."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from twisted_mail.auth.names import account_address, alias_text, domain_name
from twisted_mail.cli import apppasswords, attributes, mailboxes, rules, vacation
from twisted_mail.cli.asking import add_password_option, read_password
from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.importing import import_accounts
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.tables import print_rows, timestamp


def add_family(parser: Parser) -> None:
    """account add, list, show, remove, passwd, disable, enable, app-password, set, restore, views, vacation, rules,
    import."""
    commands = subcommands(parser)
    add = add_command(commands, "add", "Make an account.  Its domain must exist.", add_account)
    add.add_argument("address", metavar="ADDRESS")
    add_password_option(add)
    listing = add_command(commands, "list", "List the accounts.", list_accounts)
    listing.add_argument("domain", metavar="DOMAIN", nargs="?")
    add_json(listing)
    add_passwd(commands)
    for name, text, run in (
        ("remove", "Remove an account; mail on disk stays.", remove_account),
        ("disable", "Let an account take neither mail nor logins.", disable_account),
        ("enable", "Undo disable.", enable_account),
    ):
        add_command(commands, name, text, run).add_argument("address", metavar="ADDRESS")
    apppasswords.add_family(commands)
    attributes.add_set(commands)
    mailboxes.add_commands(commands)
    vacation.add_vacation(commands)
    rules.add_rules(commands)
    importing = add_command(
        commands,
        "import",
        "Make many accounts, all or none.  A line of FILE is address,password or address,{SCHEME}hash.",
        import_accounts,
    )
    importing.add_argument("file", metavar="FILE", help="CSV in UTF-8; - is standard input")


def add_passwd(commands: argparse._SubParsersAction[Parser]) -> None:
    """passwd, of this family and at the top."""
    passwd = add_command(commands, "passwd", "Set the password of an account.", set_password)
    passwd.add_argument("address", metavar="ADDRESS")
    add_password_option(passwd)
    passwd.add_argument(
        "--cram-md5",
        action="store_true",
        help="keep the password readable too: CRAM-MD5 needs it, for programs that can do nothing better",
    )


def add_account(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    with opened_directory(configuration(arguments)) as directory:
        directory.check_new_account(address)
        directory.add_accounts([directory.new_account(address, read_password(arguments, address))])
    print(f"added {address}")


def list_accounts(arguments: argparse.Namespace) -> None:
    domain = domain_name(arguments.domain) if arguments.domain else None
    with opened_directory(configuration(arguments)) as directory:
        found = directory.accounts(domain)
    rows: list[dict[str, object]] = [
        {"address": str(a.address), "disabled": a.disabled, "created": timestamp(a.created)} for a in found
    ]
    print_rows(rows, as_json=arguments.json, nothing="no accounts yet; add one: mailserver account add ADDRESS")


def remove_account(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    config = configuration(arguments)
    with opened_directory(config) as directory:
        owned = [alias for alias in directory.aliases.all() if alias.owner == address]
        aliases = directory.remove_account(address)
    print(f"removed {address}")
    for alias in aliases:
        print(f"{alias_text(alias)} no longer leads there")
    for left in owned:
        print(f"{left.address} has no owner any more; name one: mailserver alias set {left.address} owner=ACCOUNT")
    folder = os.path.join(config.data, address.domain, address.local_part)
    if os.path.isdir(folder):
        print(f"its mail stays in {folder}; delete that folder, or a new account of this name will have it")


def set_password(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    with opened_directory(configuration(arguments)) as directory:
        if directory.account(address) is None:
            raise CommandError(f"there is no account {address}; add it: mailserver account add {address}")
        password = read_password(arguments, address)
        new = directory.new_account(address, password)
        directory.set_password(address, new.password, new.verifier, password if arguments.cram_md5 else "")
    print(f"changed the password of {address}")


def _switch(disabled: bool, done: str) -> Callable[[argparse.Namespace], None]:
    def run(arguments: argparse.Namespace) -> None:
        address = account_address(arguments.address)
        with opened_directory(configuration(arguments)) as directory:
            directory.set_disabled(address, disabled)
        print(f"{done} {address}")

    return run


disable_account = _switch(True, "disabled")
enable_account = _switch(False, "enabled")
