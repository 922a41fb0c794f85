"""`mailserver domain`: the domains whose mail this server takes."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from enum import Enum

from twisted_mail.auth.directory import Directory, Domain
from twisted_mail.auth.lookup import OFF, ON, SRS
from twisted_mail.auth.names import domain_name
from twisted_mail.auth.quotas import QUOTA, TOTAL
from twisted_mail.cli.attributes import (
    QUOTA_OF_DOMAIN,
    TOTAL_OF_DOMAIN,
    Attribute,
    add_set_command,
    add_settings,
    parsed_settings,
    settings_in_words,
)
from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.dkim import all_keys, key_record, make_first_keys
from twisted_mail.cli.dnsrecords import place_of, zone_text
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.tables import print_facts, print_rows, timestamp
from twisted_mail.config import Config
from twisted_mail.incoming import DMARC
from twisted_mail.interfaces import NoSuchUser, UserDisabled
from twisted_mail.mailbox.usage import measure_domain
from twisted_mail.policy.dkim.keyrecord import record_name
from twisted_mail.policy.findings import Handling
from twisted_mail.policy.sts.text import Mode
from twisted_mail.securing import MTA_STS, own_policy
from twisted_mail.signing import key_store
from twisted_mail.smtp.address import Address


def _on_or_off(text: str) -> str:
    if text not in (ON, OFF):
        raise ValueError(f'"{text}" is neither {ON} nor {OFF}')
    return text


def _one_of(kind: type[Enum]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in (known := [member.value for member in kind]):
            raise ValueError(f'"{text}" is none of {", ".join(known)}')
        return text

    return read


ATTRIBUTES: Mapping[str, Attribute] = {
    DMARC: Attribute(
        _one_of(Handling), "tag: mail that its sender's domain wants refused as forged is delivered all the same"
    ),
    QUOTA: QUOTA_OF_DOMAIN,
    TOTAL: TOTAL_OF_DOMAIN,
    SRS: Attribute(_on_or_off, f"{OFF}: what aliases send on to other domains keeps its sender, which SPF may refuse"),
    MTA_STS: Attribute(
        _one_of(Mode),
        "testing or enforce: others are told that mail comes to this server only, with TLS and a valid certificate, "
        "see records; none before you stop saying so",
    ),
}


def add_family(parser: Parser) -> None:
    """domain add, list, show, set, records, remove."""
    commands = subcommands(parser)
    add = add_command(commands, "add", "Take mail for a domain.", add_domain)
    add.add_argument("domain", metavar="DOMAIN")
    add_json(add_command(commands, "list", "List the domains.", list_domains))
    show = add_command(commands, "show", "Show a domain, and how much mail it keeps.", show_domain)
    show.add_argument("domain", metavar="DOMAIN")
    add_json(show)
    setting = add_set_command(commands, "a domain", ATTRIBUTES, set_attributes)
    setting.add_argument("domain", metavar="DOMAIN")
    add_settings(setting)
    text = "Show the DNS records that a domain should have, for its zone."
    add_command(commands, "records", text, show_records).add_argument("domain", metavar="DOMAIN")
    remove = add_command(commands, "remove", "Take no more mail for a domain; mail on disk stays.", remove_domain)
    remove.add_argument("domain", metavar="DOMAIN")
    remove.add_argument("--force", action="store_true", help="with all its accounts and aliases")


def add_domain(arguments: argparse.Namespace) -> None:
    name = domain_name(arguments.domain)
    config = configuration(arguments)
    with opened_directory(config) as directory:
        directory.add_domain(name)
        print(f"added {name}")
        if config.file is not None:  # in demo mode nothing leaves
            print("publish these records, so that others can check the signatures on its mail:")
            print("\n".join(map(str, make_first_keys(key_store(config), name))))
        print(
            f"mail programs find their settings if autoconfig.{name} and autodiscover.{name} lead to the web listener"
        )
        _remind_of_postmaster(directory, name)


def list_domains(arguments: argparse.Namespace) -> None:
    config = configuration(arguments)
    with opened_directory(config) as directory:
        rows = [_facts(config, directory, domain) for domain in directory.domains()]
    print_rows(rows, as_json=arguments.json, nothing="no domains yet; first: mailserver domain add DOMAIN")


def show_domain(arguments: argparse.Namespace) -> None:
    name = domain_name(arguments.domain)
    config = configuration(arguments)
    with opened_directory(config) as directory:
        facts = _facts(config, directory, _our(directory, name))
    if arguments.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        print_facts(facts)


def _facts(config: Config, directory: Directory, domain: Domain) -> dict[str, object]:
    total = directory.quotas.of_domain(domain.name)
    return {
        "domain": domain.name,
        "accounts": domain.accounts,
        "aliases": domain.aliases,
        "created": timestamp(domain.created),
        "used": measure_domain(os.path.join(config.data, domain.name)),
        "total-quota": total,
        "settings": settings_in_words(directory.domain_attributes(domain.name), ATTRIBUTES),
    }


def _our(directory: Directory, name: str) -> Domain:
    found = next((domain for domain in directory.domains() if domain.name == name), None)
    if found is None:
        raise CommandError(f"{name} is not one of our domains; add it: mailserver domain add {name}")
    return found


def set_attributes(arguments: argparse.Namespace) -> None:
    name = domain_name(arguments.domain)
    values = parsed_settings(arguments, ATTRIBUTES)
    with opened_directory(configuration(arguments)) as directory:
        directory.set_domain_attributes(name, values)
        now = directory.domain_attributes(name)
    print(f"{name}: {', '.join(settings_in_words(now, ATTRIBUTES)) or 'nothing in particular'}")


def show_records(arguments: argparse.Namespace) -> None:
    name = domain_name(arguments.domain)
    config = configuration(arguments)
    with opened_directory(config) as directory:
        _our(directory, name)
        signatures = [key_record(key) for key in all_keys(key_store(config), name)]
        policy = own_policy(config, directory.domain_attributes(name))
    print(zone_text(name, place_of(config), signatures, policy), end="")
    if policy is not None:
        print(f"; Its certificate must be for mta-sts.{name}, too: with ACME, add that to acme_names in [tls].")


def remove_domain(arguments: argparse.Namespace) -> None:
    name = domain_name(arguments.domain)
    config = configuration(arguments)
    with opened_directory(config) as directory:
        directory.remove_domain(name, force=arguments.force)
        store = key_store(config)
        names = " and ".join(record_name(each.selector, each.domain) for each in all_keys(store, name))
        store.remove(name)
    print(f"removed {name}")
    if names:
        print(f"its DKIM keys are deleted; take {names} out of DNS")
    folder = os.path.join(config.data, name)
    if os.path.isdir(folder):
        print(f"its mail stays in {folder}; delete that folder if nobody needs it")


def _remind_of_postmaster(directory: Directory, name: str) -> None:
    """Everybody may write to the postmaster (RFC 5321 §4.5.1)."""
    postmaster = Address("postmaster", name)
    try:
        directory.expansion(postmaster)
    except (NoSuchUser, UserDisabled):
        print(f"{postmaster} must exist; once there is an account: mailserver alias add {postmaster} ACCOUNT@{name}")
