"""Whether the machine's clock can be right.  Nobody else is asked: the kernel knows whether something keeps it right,
and files and certificates are witnesses of times that have been.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from twisted_mail.cli.certificatefile import load_leaf
from twisted_mail.cli.checks.finding import Finding, Situation, advice, fault, ok

TOLERANCE = 120.0
"""Seconds that a file may be ahead of the clock."""
_TIME_ERROR = 5
"""What adjtimex(2) returns where nothing keeps the clock right."""
_TIMEX_SIZE = 512
"""Octets, more than a struct timex has; all 0 asks and changes nothing."""

_KEEP_RIGHT = "timedatectl set-ntp true   (or install chrony)"


def check_clock(situation: Situation) -> Iterator[Finding]:
    shown = datetime.fromtimestamp(situation.now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    for witness, when in _witnesses(situation):
        if when > situation.now + TOLERANCE:
            yield fault(f"the clock says {shown}, but {witness} is later than that", _KEEP_RIGHT)
            return
    if not is_synchronised():
        yield advice(f"the clock says {shown}, and nothing keeps it right", _KEEP_RIGHT)
        return
    yield ok(f"the clock says {shown}, and is kept right")


def _witnesses(situation: Situation) -> Iterator[tuple[str, float]]:
    """Things that have happened, and when (seconds since 1970)."""
    config = situation.config
    paths = [__file__, config.file, config.directory_file, config.server_folder, config.tls.certificate]
    for path in filter(None, paths):
        with suppress(OSError):
            yield f"the last change of {path}", os.stat(path).st_mtime
    if config.tls.certificate is not None:
        with suppress(OSError, ValueError):
            yield "the beginning of the certificate", load_leaf(config.tls.certificate).not_valid_before_utc.timestamp()


def is_synchronised() -> bool:
    """Whether the kernel has been told by NTP or the like that its clock is right.  True where it cannot be asked."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return True
    return int(adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))) != _TIME_ERROR
