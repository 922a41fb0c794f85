"""`mailserver account rules`: what is done with the mail that comes for an account."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

from twisted_mail.administration.rules import check_rules
from twisted_mail.auth.directory import Directory
from twisted_mail.auth.names import account_address
from twisted_mail.cli.commandline import CommandError, Parser, add_command
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.mailbox.ruled import done_in_words
from twisted_mail.mailbox.store import maildir_of
from twisted_mail.mailbox.wishes import RULES_FILE, decoded_rules, remove_rules, rules_in, write_rules
from twisted_mail.message.evidence import says_junk
from twisted_mail.message.header import fields, header_size
from twisted_mail.rules.letter import Letter
from twisted_mail.rules.problem import Problem
from twisted_mail.rules.ruleset import decide
from twisted_mail.rules.rulesfile import RulesError, parse_rules
from twisted_mail.rules.sieveimport import import_script
from twisted_mail.rules.writing import rules_text
from twisted_mail.smtp.address import Address, AddressError, parse_address, parse_path

MOST_OCTETS = 100 * 1024 * 1024
"""Of a message that is tested."""
SIEVE = ".sieve"


def add_rules(commands: argparse._SubParsersAction[Parser]) -> None:
    """account rules."""
    text = "Sort, forward, answer or discard the mail of an account by rules.  Without an option: show them."
    parser = add_command(commands, "rules", text, run_rules)
    parser.add_argument("address", metavar="ADDRESS")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--set", metavar="FILE", help="have these rules (TOML) and no others; - is standard input")
    choice.add_argument("--import", metavar="FILE", dest="script", help="the same from a Sieve script, and show them")
    choice.add_argument("--check", metavar="FILE", help=f"only say what is wrong with rules, or a script ({SIEVE})")
    choice.add_argument("--test", metavar="FILE", help="say what would be done with the message in this file")
    choice.add_argument("--off", action="store_true", help="have no rules; folders and their mail stay")
    parser.add_argument("--from", metavar="SENDER", dest="sender", help="with --test: of the envelope")
    parser.add_argument("--to", metavar="RECIPIENT", help="with --test: of the envelope, as in alice+shop@example.org")


def run_rules(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    config = configuration(arguments)
    name = arguments.set or arguments.script or arguments.check or arguments.test
    octets = _read(name) if name else b""  # before the files of the server are touched, and as who asks
    with opened_directory(config) as directory:
        if directory.account(address) is None:
            raise CommandError(f"there is no account {address}; see: mailserver account list")
        path = maildir_of(config.data, address)
        if arguments.test:
            _test(arguments, address, path, octets)
        elif name:
            _take(arguments, directory, address, path, octets)
        elif arguments.off:
            remove_rules(path)
            print(f"{address}: no rules; all mail stays in the inbox")
        else:
            print((_text_in(path) or f"{address}: no rules").rstrip("\n"))


def _take(arguments: argparse.Namespace, directory: Directory, address: Address, path: str, octets: bytes) -> None:
    """Check, and unless that is all, set."""
    name = arguments.set or arguments.script or arguments.check
    is_script = arguments.script or (arguments.check and name.endswith(SIEVE))
    try:
        text = decoded_rules(octets)
        if is_script:
            text = rules_text(import_script(text))
        count = check_rules(directory, address, text)
        if not arguments.check:
            write_rules(path, text)
    except Problem as error:
        raise CommandError(f"{name}, {error}") from error
    if is_script:
        print(text)
    print(f"{address}: rules: {count}, {'nothing is wrong with them' if arguments.check else 'from now on'}")


def _test(arguments: argparse.Namespace, address: Address, path: str, octets: bytes) -> None:
    """Which rules apply, and what would be done."""
    try:
        rules = parse_rules(_text_in(path) or "")
    except RulesError as error:
        raise CommandError(f"{path}/{RULES_FILE}, {error}; until then all mail is kept in the inbox") from error
    letter = _letter(arguments, address, octets.replace(b"\r\n", b"\n"))
    decision = decide(rules, letter)
    print(f"rules that apply: {', '.join(decision.rules) or 'none'}")
    for done in done_in_words(decision, letter.junk):
        print(done)
    if decision.reply is not None:
        print("the sender would be answered, unless that was done before or it is a program or a list:")
        print(decision.reply.text.rstrip("\n"))


def _letter(arguments: argparse.Namespace, account: Address, octets: bytes) -> Letter:
    """As it would come; what the envelope was stands in a message that was delivered."""
    header = octets[: header_size(octets)]
    sender = _address(arguments.sender) if arguments.sender else _return_path(header)
    recipient = _address(arguments.to) if arguments.to else account
    return Letter(header, sender, recipient, len(octets), says_junk(header))


def _return_path(header: bytes) -> Address | None:
    for name, field in fields(header):
        if name == "return-path":
            with suppress(AddressError):
                return parse_path(field.partition(b":")[2].decode(errors="replace").strip())
    return None


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except AddressError as error:
        raise CommandError(str(error)) from error


def _text_in(path: str) -> str | None:
    try:
        return rules_in(path)
    except (OSError, RulesError) as error:
        raise CommandError(f"{path}/{RULES_FILE} cannot be read: {error}") from error


def _read(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(MOST_OCTETS)
        with open(name, "rb") as file:
            return file.read(MOST_OCTETS)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error
