"""What each TCP connection of a client has: no waiting for more to send, and a question to who is silent for long.

A client that is gone keeps its maildrop locked until the kernel has noticed that.  Linux gives a connection the options
of the socket that listened for it, so they are set there, once; where a connection has not got them, it is given them.
"""

from __future__ import annotations

import socket
from contextlib import suppress

IDLE = 60
"""Seconds of silence before the first question."""

_TCP = socket.IPPROTO_TCP
_OPTIONS = (
    (_TCP, "TCP_NODELAY", 1),
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (_TCP, "TCP_KEEPIDLE", IDLE),
    (_TCP, "TCP_KEEPINTVL", 20),
    (_TCP, "TCP_KEEPCNT", 3),
)
"""Seconds of silence, seconds between questions, questions: who is gone is noticed after two minutes.

The first one, which no system gives by itself, shows that all are there.
"""
_KNOWN = tuple((level, getattr(socket, name), value) for level, name, value in _OPTIONS if hasattr(socket, name))


def set_options(connection: socket.socket) -> None:
    """Of a connection, or of a socket that listens for some; of no other than TCP.  Not all systems have all."""
    for level, option, value in _KNOWN:
        with suppress(OSError):
            connection.setsockopt(level, option, value)


def ensure_options(connection: socket.socket) -> None:
    """One system call where it was born with them, else six."""
    level, option, value = _KNOWN[0]
    with suppress(OSError):
        if connection.getsockopt(level, option) == value:
            return
    set_options(connection)
