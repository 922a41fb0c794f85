"""Policies of other domains on disk, a file each: what was once learned holds after a restart (RFC 8461 §3.3).

A file that cannot be read counts as absent.  All of it blocks.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass

from twisted_mail.policy.sts.text import Policy, PolicyError, parse_policy

_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Held:
    """A policy that we have."""

    identifier: str
    """Of the record that announced it."""
    fetched: float
    """Unix time."""
    policy: Policy

    @property
    def expires(self) -> float:
        return self.fetched + self.policy.max_age


class PolicyFiles:
    """In one folder, for all processes."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def domains(self) -> list[str]:
        """Of all that are there.  Raises OSError."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))

    def read(self, domain: str) -> Held | None:
        if not _NAME.fullmatch(domain):
            return None
        try:
            with open(self._path(domain), encoding="ascii") as file:
                said = json.load(file)
            return Held(str(said["id"]), float(said["fetched"]), parse_policy("\n".join(said["policy"]).encode()))
        except (OSError, ValueError, KeyError, TypeError, PolicyError):
            return None

    def write(self, domain: str, held: Held) -> None:
        """Raises OSError."""
        if not _NAME.fullmatch(domain):
            return
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        said = {"id": held.identifier, "fetched": held.fetched, "policy": held.policy.lines}
        path = self._path(domain)
        new = f"{path}.{os.getpid()}"
        with open(new, "w", encoding="ascii") as file:
            json.dump(said, file, indent=1)
        os.replace(new, path)

    def remove(self, domain: str) -> None:
        """Raises OSError."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(domain))

    def _path(self, domain: str) -> str:
        return os.path.join(self._folder, domain + _SUFFIX)
