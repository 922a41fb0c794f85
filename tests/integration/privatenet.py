"""A network of the test's own: addresses and low ports that are this machine's in there only, and lead nowhere else.

A server of ours does not send to loopback addresses, which would be itself; here other addresses lead to this machine.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.integration.requirements import require_program, require_root

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def private_network(addresses: Sequence[str]) -> Iterator[None]:
    """For this thread, and for the threads and processes that it starts meanwhile.  Needs root."""
    require_root()
    ip = require_program("ip", "iproute2")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_LIBC.unshare(_CLONE_NEWNET))
        try:
            subprocess.run([ip, "link", "set", "lo", "up"], check=True)
            for address in addresses:
                subprocess.run([ip, "address", "add", f"{address}/32", "dev", "lo"], check=True)
            yield
        finally:
            _checked(_LIBC.setns(before, _CLONE_NEWNET))
    finally:
        os.close(before)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
