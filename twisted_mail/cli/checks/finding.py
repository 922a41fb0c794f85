"""What a check says: findings, each one sentence with what mends it; and what it is told, a situation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from twisted_mail.cli.checks.resolver import Resolver
from twisted_mail.cli.roundtrip import Trial
from twisted_mail.config import Config


class Level(Enum):
    """How much it matters."""

    OK = "ok"
    ADVICE = "advice"
    """It works, and would be better otherwise."""
    FAULT = "FAULT"
    """Mail is lost, refused or delayed, or will be soon, or somebody can read what they should not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing."""

    level: Level
    text: str
    remedy: str = ""
    """A command to type or a record to publish; several are a line each."""


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """What the directory says of a domain of ours."""

    name: str
    missing: Sequence[str]
    """Addresses that must be there or should, and are not."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What `mailserver domain set` has set."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What checks are about.  They read, and change nothing; several may run at the same time."""

    config: Config
    domains: Sequence[DomainFacts]
    dns: Resolver
    now: float
    """Seconds since 1970, as this machine says."""
    trial: Trial | None = None
    """An account for a message there and back."""
    no_trial: str = ""
    """Why there is none."""

    @property
    def is_local_only(self) -> bool:
        """No other machine can send mail here: a trial or demo mode."""
        return all(address.is_loopback for address in self.config.listen.smtp)

    @property
    def start(self) -> str:
        """How the server is started here."""
        if self.is_local_only:
            return "twistd -n mailserver" + (f" --config {self.config.file}" if self.config.file else "")
        return "systemctl start twisted-mail   (then: journalctl -u twisted-mail)"


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the table."""

    name: str
    about: str
    """What it looks at, for --help."""
    run: Callable[[Situation], Iterable[Finding]]


def ok(text: str) -> Finding:
    return Finding(Level.OK, text)


def advice(text: str, remedy: str = "") -> Finding:
    return Finding(Level.ADVICE, text, remedy)


def fault(text: str, remedy: str = "") -> Finding:
    return Finding(Level.FAULT, text, remedy)
