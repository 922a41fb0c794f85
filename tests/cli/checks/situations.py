"""What the tests of checks share: a situation to look at, and a DNS that is a table."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from twisted_mail.cli.checks.finding import DomainFacts, Finding, Situation
from twisted_mail.cli.checks.resolver import NoAnswer, Resolver
from twisted_mail.config import Config, load

HOSTNAME = "mail.example.org"
DOMAIN = "example.org"
ADDRESS = "192.0.2.25"

Table = Mapping[tuple[str, str], Sequence[str]]
"""Name and type -> values."""


class TableResolver(Resolver):
    """Answers from a table; a name with a type of `*` is one about which nobody answers."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table

    def records(self, name: str, kind: str) -> list[str]:
        if (name, "*") in self._table:
            raise NoAnswer(f"no answer about {name} {kind}: the test is silent")
        return list(self._table.get((name, kind), ()))


def config_of(text: str = "", hostname: str = HOSTNAME) -> Config:
    """A configuration in a folder of its own."""
    folder = tempfile.mkdtemp(prefix="checks-", dir=os.getcwd())
    path = Path(folder, "mailserver.toml")
    path.write_text(f'hostname = "{hostname}"\n{text}')
    return load(str(path), check_files=False)


def situation(
    config: Config | None = None, table: Table | None = None, missing: Sequence[str] = (), now: float | None = None
) -> Situation:
    domains = [DomainFacts(DOMAIN, missing)]
    resolver = TableResolver(table or {})
    return Situation(config or config_of(), domains, resolver, time.time() if now is None else now)


def lines(findings: Iterable[Finding]) -> list[str]:
    """As the command shows them, remedies behind `->`."""
    return [f"{each.level.value}: {each.text}" + (f" -> {each.remedy}" if each.remedy else "") for each in findings]
