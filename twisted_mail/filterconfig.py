"""The [filters.NAME] sections of the configuration: who else is asked about each message, in the order of the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twisted_mail import values
from twisted_mail.policy.filters.filtered import OnFailure
from twisted_mail.settings import Place, setting

KINDS = ("python", "milter", "rspamd", "clamav")
LISTENERS = ("smtp", "submission", "lmtp")
"""Submission is `submissions` as well."""


def name(value: object, place: Place) -> str:
    written = values.text(value, place)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", written):
        raise ValueError(f'"{written}" is not the name of a filter; take letters, digits, - and _ only')
    return written


@dataclass(frozen=True, slots=True)
class Filter:
    """One of them."""

    kind: str = setting(values.one_of(*KINDS), "python")
    endpoint: str = setting(values.client_endpoint, "")
    """A client endpoint string: where it listens, if it is a program of its own."""
    timeout: int = setting(values.duration, "30 seconds")
    """For each answer."""
    on_failure: str = setting(values.one_of("auto", *(each.value for each in OnFailure)), "auto")
    """Where there is none; `auto`: `accept` for a filter in Python, `tempfail` for the others."""
    listeners: tuple[str, ...] = setting(values.list_of(values.one_of(*LISTENERS), '"smtp"', empty=False), ["smtp"])
    """Whose messages it sees."""

    @property
    def consequence(self) -> OnFailure:
        if self.on_failure == "auto":
            return OnFailure.ACCEPT if self.kind == "python" else OnFailure.TEMPFAIL
        return OnFailure(self.on_failure)
