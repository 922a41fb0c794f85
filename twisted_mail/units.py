"""Sizes, durations and rates as a person writes them: `50 MiB`, `10 MB`, `5 minutes`, `4h`, `100 per minute`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([A-Za-z]*)")

_RATE = re.compile(r"(\d{1,9})\s*(?:per|/|an?)\s*([A-Za-z]+)", re.IGNORECASE)

_OCTETS = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_SECONDS = {
    unit: seconds
    for units, seconds in (
        ("s sec second seconds", 1),
        ("m min minute minutes", 60),
        ("h hour hours", 3600),
        ("d day days", 86_400),
        ("w week weeks", 604_800),
    )
    for unit in units.split()
}

_BINARY_FIRST = ("GiB", "MiB", "KiB", "GB", "MB", "kB")
_LARGEST_FIRST = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def parse_size(text: str) -> int:
    """Octets, at least 1.  A number without unit counts octets.  Raises ValueError, in words for who wrote it."""
    octets = _amount(text, {"": 1, **_OCTETS})
    if octets is None:
        raise ValueError(f'"{text}" is not a size; write it like "50 MiB", "10 MB" or "512 KiB"')
    return octets


def size_text(octets: int) -> str:
    """As a person writes it: in the largest unit that leaves no rest."""
    for unit in _BINARY_FIRST:
        if octets and octets % _OCTETS[unit.lower()] == 0:
            return f"{octets // _OCTETS[unit.lower()]} {unit}"
    return f"{octets} B"


def parse_duration(text: str) -> int:
    """Seconds, at least 1.  The unit is needed.  Raises ValueError, in words for who wrote it."""
    seconds = _amount(text, _SECONDS)
    if seconds is None:
        raise ValueError(f'"{text}" is not a duration; write it like "30 seconds", "5 minutes", "4h" or "5 days"')
    return seconds


def duration_text(seconds: int) -> str:
    """As a person writes it: in the largest unit that leaves no rest."""
    size, unit = next((size, unit) for size, unit in _LARGEST_FIRST if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def parse_rate(text: str) -> tuple[int, int] | None:
    """How many in how many seconds; None for "off".  Raises ValueError, in words for who wrote it."""
    if text.strip().lower() == "off":
        return None
    match = _RATE.fullmatch(text.strip())
    seconds = _SECONDS.get(match.group(2).lower()) if match else None
    if match is None or seconds is None or not int(match.group(1)):
        raise ValueError(f'"{text}" is not a rate; write it like "100 per minute", "1000 per hour" or "off"')
    return int(match.group(1)), seconds


def _amount(text: str, units: Mapping[str, int]) -> int | None:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or (unit := units.get(match.group(2).lower())) is None:
        return None
    return int(float(match.group(1)) * unit) or None
