"""`mailserver check`: what is wrong, each in one sentence with the command or record that mends it.

Exit status 0: nothing that matters; 1: at least one FAULT.  Advice does not change it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from twisted_mail.auth.directory import Directory, DirectoryError
from twisted_mail.cli.checks.finding import Check, DomainFacts, Finding, Level, Situation, fault, ok
from twisted_mail.cli.checks.people import EXPECTED, REQUIRED
from twisted_mail.cli.checks.resolver import Resolver
from twisted_mail.cli.checks.running import run
from twisted_mail.cli.checks.table import CHECKS, ROUND_TRIP
from twisted_mail.cli.commandline import CommandError, Parser, add_json, be_command
from twisted_mail.cli.dialogue import TrialError
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.progress import Progress
from twisted_mail.cli.roundtrip import throwaway_account
from twisted_mail.config import Config, ConfigError, load
from twisted_mail.interfaces import NoSuchUser, UserDisabled
from twisted_mail.smtp.address import Address

_CONFIGURATION = "configuration"

Answers = Mapping[str, Sequence[Finding]]
"""Name of the check -> what it found."""


def add_family(parser: Parser) -> None:
    """check, which has no subcommands."""
    be_command(parser, check)
    known = ", ".join(f"{each.name} ({each.about})" for each in CHECKS)
    parser.epilog = f"Checks: {known}.  Exit status 1 where something matters; advice is not counted."
    parser.add_argument("names", metavar="CHECK", nargs="*", help="only these; default: all")
    add_json(parser)


def check(arguments: argparse.Namespace) -> None:
    """Raises CommandError where a finding matters."""
    chosen = _chosen(arguments.names)
    answers = dict(_answers(arguments, chosen))
    if arguments.json:
        _print_json(answers)
    else:
        _print_lines(answers)
    faults = sum(finding.level is Level.FAULT for findings in answers.values() for finding in findings)
    if faults:
        raise CommandError(f"{faults} {'thing matters' if faults == 1 else 'things matter'}; see above what mends that")


def _chosen(names: Sequence[str]) -> list[Check]:
    known = [each.name for each in CHECKS]
    for name in names:
        if name not in known:
            raise CommandError(f'there is no check "{name}"; there is {", ".join(known)}')
    return [each for each in CHECKS if not names or each.name in names]


def _answers(arguments: argparse.Namespace, chosen: Sequence[Check]) -> Iterator[tuple[str, Sequence[Finding]]]:
    """In the order of the table.  Without a configuration there is nothing else to look at."""
    try:
        config = configuration(arguments)
        if config.file is not None:
            load(config.file)
        yield _CONFIGURATION, [ok(f"{config.file} is right" if config.file else "there is none: this is demo mode")]
    except ConfigError as error:
        may_not = isinstance(error.__cause__, PermissionError)
        remedy = "run this as root" if may_not else "correct that; then: systemctl restart twisted-mail"
        yield _CONFIGURATION, [fault(str(error), remedy)]
        return
    with _situation(config, chosen) as situation, Progress("checks", len(chosen)) as progress:
        found = {}
        for each, findings in run(chosen, situation):
            found[each.name] = findings
            progress.advance()
    for each in chosen:
        yield each.name, found[each.name]


@contextmanager
def _situation(config: Config, chosen: Sequence[Check]) -> Iterator[Situation]:
    """What needs the directory is read, and the account made, before checks run side by side: root changes who it acts
    as for that, and that holds for all threads."""
    dns = Resolver(config.dns.servers)
    with opened_directory(config) as directory:
        domains = [
            DomainFacts(domain.name, _missing(directory, domain.name), directory.domain_attributes(domain.name))
            for domain in directory.domains()
        ]
    situation = Situation(config, domains, dns, time.time())
    with ExitStack() as stack:
        if ROUND_TRIP in [each.name for each in chosen]:
            try:
                situation = replace(situation, trial=stack.enter_context(throwaway_account(config)))
            except (TrialError, DirectoryError) as error:
                situation = replace(situation, no_trial=str(error))
        yield situation


def _missing(directory: Directory, domain: str) -> list[str]:
    """Of the addresses that should be there."""
    missing = []
    for name in (*REQUIRED, *EXPECTED):
        try:
            directory.expansion(Address(name, domain))
        except (NoSuchUser, UserDisabled):
            missing.append(f"{name}@{domain}")
    return missing


# ---- what is shown


def _print_json(answers: Answers) -> None:
    rows = [
        {"check": name, "level": finding.level.value.lower(), "finding": finding.text, "remedy": finding.remedy}
        for name, findings in answers.items()
        for finding in findings
    ]
    print(json.dumps(rows, indent=2, ensure_ascii=False))


def _print_lines(answers: Answers) -> None:
    width = max(map(len, answers))
    for name, findings in answers.items():
        for finding in findings:
            print(f"{finding.level.value:6}  {name:{width}}  {finding.text}")
            for line in finding.remedy.splitlines():
                print(f"{'':6}  {'':{width}}    {line}")
