"""The way out of a connection: octets go to the kernel at once, as long as it takes them."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.protocols.policies import ProtocolWrapper


def is_wrapped(transport: Any) -> bool:
    """It is a protocol itself, which answers for the transport below: what belongs to the kernel is not its own."""
    return isinstance(transport, ProtocolWrapper)


class Outlet:
    """*transport*, with another `write`.

    Twisted's own waits for the next turn of the reactor and changes the epoll set twice a reply.  After the first octet
    that had to wait everything goes that way, and the order is kept.
    """

    __slots__ = ("_immediate", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._immediate = not is_wrapped(transport) and hasattr(transport, "writeSomeData")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while self._immediate and self._transport.connected:  # TLS writes its end also when nobody is there
            sent = self._transport.writeSomeData(rest)
            if sent == len(rest):
                return
            if isinstance(sent, int):
                rest = memoryview(rest)[sent:]
            self._immediate = sent == FileDescriptor.SEND_LIMIT  # the kernel may have room for more
        self._transport.write(bytes(rest))
