"""`mailserver dkim`: the keys with which the domains sign what leaves, and their records in DNS."""

from __future__ import annotations

import argparse
import base64
import time
from collections.abc import Mapping, Sequence

from twisted_mail.auth.directory import Directory
from twisted_mail.auth.names import domain_name
from twisted_mail.cli.checks.resolver import NoAnswer, Resolver
from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.dnsrecords import Purpose, Record
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.tables import print_rows, timestamp
from twisted_mail.policy.dkim.algorithms import algorithm_of, public_octets
from twisted_mail.policy.dkim.keyrecord import record_name, record_text
from twisted_mail.policy.dkim.keystore import KeyStore, KeyStoreError
from twisted_mail.policy.dkim.rotation import (
    KEPT,
    KeyPair,
    Outcome,
    Presence,
    Stage,
    first_pair,
    next_step,
)
from twisted_mail.policy.dkim.sign import SigningKey
from twisted_mail.policy.dkim.tags import TagError, parse_tags, without_white_space
from twisted_mail.signing import key_store


def add_family(parser: Parser) -> None:
    """dkim show, rotate."""
    commands = subcommands(parser)
    show = add_command(commands, "show", "The keys, with the TXT records to publish.", show_keys)
    show.add_argument("domain", metavar="DOMAIN", nargs="?", help="of this domain only")
    add_json(show)
    text = "Take the next step from the keys in use to new ones, and say what comes after it."
    rotate = add_command(commands, "rotate", text, rotate_keys)
    rotate.add_argument("domain", metavar="DOMAIN")
    rotate.add_argument(
        "--older-than", metavar="DAYS", type=_days, default=0, help="begin only if the keys in use are; for a timer"
    )


def show_keys(arguments: argparse.Namespace) -> None:
    with opened_directory(configuration(arguments)) as directory:
        store = key_store(configuration(arguments))
        domains = [_of_ours(arguments.domain, directory)] if arguments.domain else store.domains()
        rows = [row for domain in domains for row in _rows(store, domain)]
    if arguments.json:
        print_rows(rows, as_json=True, nothing="")
    elif not rows:
        print(f"no keys yet; make some: mailserver dkim rotate {arguments.domain or 'DOMAIN'}")
    for row in [] if arguments.json else rows:
        print(f"; {_STAGES[Stage(str(row['stage']))]} {row['since']}\n{row['line']}")


def rotate_keys(arguments: argparse.Namespace) -> None:
    config = configuration(arguments)
    with opened_directory(config) as directory:
        domain, store = _of_ours(arguments.domain, directory), key_store(config)
        try:
            with store.locked(domain):
                _rotate(store, domain, Resolver(config.dns.servers), arguments.older_than)
        except KeyStoreError as error:
            raise CommandError(str(error)) from error


def make_first_keys(store: KeyStore, domain: str) -> list[Record]:
    """Keys for a domain that has none; the records of those that it signs with."""
    try:
        if not store.pairs(domain):
            store.save(domain, [first_pair(int(time.time()))])
    except KeyStoreError as error:
        raise CommandError(str(error)) from error
    return [key_record(key) for key in all_keys(store, domain)]


def all_keys(store: KeyStore, domain: str) -> list[SigningKey]:
    """Those of each pair."""
    try:
        return [key for pair in store.pairs(domain) for key in store.keys(domain, pair)]
    except KeyStoreError as error:
        raise CommandError(str(error)) from error


def _rotate(store: KeyStore, domain: str, resolver: Resolver, older_than: int) -> None:
    pairs, now = store.pairs(domain), int(time.time())
    if not pairs:
        records = make_first_keys(store, domain)
        _say(f"{domain} signs from now on; publish these records so that others can check it:", records)
        return
    keys = {pair: store.keys(domain, pair) for pair in pairs}
    presence = {key.selector: presence_of(key, resolver) for each in keys.values() for key in each}
    step = next_step(pairs, presence, now, older_than)
    if step.pairs != pairs:
        store.save(domain, step.pairs)
    about = keys.get(step.about) or store.keys(domain, _stored(store, domain, step.about))
    records = [key_record(key) for key in about]
    until = timestamp(step.about.since + KEPT)
    _say(_WORDS[step.outcome].format(domain=domain, until=until, missing=_missing(records, presence)), records)


def _stored(store: KeyStore, domain: str, pair: KeyPair) -> KeyPair:
    return next(each for each in store.pairs(domain) if each.name == pair.name)


def _missing(records: Sequence[Record], presence: Mapping[str, Presence]) -> str:
    said = [(record.name, presence.get(record.name.partition(".")[0])) for record in records]
    return " and ".join(f"{name} {_PRESENCES[found]}" for name, found in said if found in _PRESENCES)


def presence_of(key: SigningKey, resolver: Resolver) -> Presence:
    """What DNS has of *key*."""
    try:
        found = resolver.records(record_name(key.selector, key.domain), "TXT")
    except NoAnswer:
        return Presence.UNKNOWN
    if not any(found):
        return Presence.ABSENT
    published = base64.b64encode(public_octets(key.key)).decode()
    return Presence.THERE if [_published(text) for text in found] == [published] else Presence.OTHER


def _published(text: str) -> str | None:
    try:
        return without_white_space(parse_tags(text.encode()).get("p", ""))
    except TagError:
        return None


def _rows(store: KeyStore, domain: str) -> list[dict[str, object]]:
    try:
        return [_row(pair, key) for pair in store.pairs(domain) for key in store.keys(domain, pair)]
    except KeyStoreError as error:
        raise CommandError(str(error)) from error


def _row(pair: KeyPair, key: SigningKey) -> dict[str, object]:
    record = key_record(key)
    return {
        "domain": key.domain,
        "selector": key.selector,
        "algorithm": algorithm_of(key.key).value,
        "stage": pair.stage.value,
        "since": timestamp(pair.since),
        "name": record.name,
        "value": record.value,
        "line": str(record),
    }


def key_record(key: SigningKey) -> Record:
    """What DNS should have of *key*."""
    return Record(record_name(key.selector, key.domain), "TXT", record_text(key.key), Purpose.SIGNATURES)


def _say(words: str, records: Sequence[Record]) -> None:
    print(words)
    for record in records if words.endswith(":") else ():
        print(record)


def _of_ours(text: str, directory: Directory) -> str:
    domain = domain_name(text)
    if not directory.owns(domain):
        raise CommandError(f"{domain} is not a domain of this server; see: mailserver domain list")
    return domain


def _days(text: str) -> int:
    """Seconds."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of days')
    return int(text) * 86_400


_STAGES = {
    Stage.NEW: "to be used once it is in DNS, made",
    Stage.ACTIVE: "in use since",
    Stage.OLD: "not used any more, kept for mail under way, since",
}
_PRESENCES = {
    Presence.OTHER: "has another text",
    Presence.ABSENT: "is not there",
    Presence.UNKNOWN: "cannot be looked up",
}
_AGAIN = "then run this again: mailserver dkim rotate {domain}"
_WORDS = {
    Outcome.BEGUN: f"{{domain}} has new keys, which are not used yet; publish these records, {_AGAIN}\nThe records:",
    Outcome.WAITING: f"DNS does not have the new keys of {{domain}} yet ({{missing}}); publish these, {_AGAIN}\n"
    "The records:",
    Outcome.SWITCHED: "{domain} signs with its new keys from now on; leave the old records in DNS until {until}, "
    f"{_AGAIN}",
    Outcome.KEEPING: f"mail that was signed with the old keys may still be under way; wait until {{until}}, {_AGAIN}",
    Outcome.LINGERING: f"take these old records out of DNS, {_AGAIN}\nThe records:",
    Outcome.FORGOTTEN: "the old keys of {domain} are gone; all is done",
    Outcome.NOTHING: "the keys of {domain} are not old enough; nothing was done",
}
