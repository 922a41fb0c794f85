"""The options of a client's connection."""

from __future__ import annotations

import errno
import socket
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.protocols.keepalive import IDLE, ensure_options, set_options

TCP = socket.IPPROTO_TCP
ALL = {
    (TCP, socket.TCP_NODELAY): 1,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (TCP, socket.TCP_KEEPIDLE): IDLE,
    (TCP, socket.TCP_KEEPINTVL): 20,
    (TCP, socket.TCP_KEEPCNT): 3,
}


class FakeSocket:
    def __init__(self, options: dict[tuple[int, int], int] | None, refused: int | None = None) -> None:
        """None: it is none of TCP; *refused*: an option that the system does not have."""
        self.options = options
        self.refused = refused
        self.calls = 0

    def getsockopt(self, level: int, option: int) -> int:
        self.calls += 1
        if self.options is None or option == self.refused:
            raise OSError(errno.EOPNOTSUPP, "no")
        return self.options.get((level, option), 9)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.getsockopt(level, option)
        assert self.options is not None
        self.options[(level, option)] = value


def ensured(fake: FakeSocket) -> FakeSocket:
    ensure_options(cast(Any, fake))
    return fake


class KeepaliveTests(SynchronousTestCase):
    def test_connection_without_them_is_given_all(self) -> None:
        self.assertEqual(ALL, ensured(FakeSocket({})).options)

    def test_connection_that_has_them_is_asked_once(self) -> None:
        listening = FakeSocket({})
        set_options(cast(Any, listening))
        self.assertEqual(ALL, listening.options)
        self.assertEqual(1, ensured(FakeSocket(listening.options)).calls)

    def test_what_a_system_does_not_have_is_left_out(self) -> None:
        fake = ensured(FakeSocket({}, refused=socket.TCP_KEEPCNT))
        self.assertEqual(ALL, {**(fake.options or {}), (TCP, socket.TCP_KEEPCNT): 3})

    def test_what_is_no_tcp_is_left_alone(self) -> None:
        self.assertIsNone(ensured(FakeSocket(None)).options)
