"""What the kernel takes at once, and what waits in the transport."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.protocols.outlet import Outlet


class Kernel(StringTransport):
    """As a TCP transport over a socket with room for so many octets."""

    def __init__(self, room: int = 1000, lost: bool = False) -> None:
        super().__init__()
        self.sent = b""
        self._room = room
        self._lost = lost

    def writeSomeData(self, data: bytes) -> int | ConnectionLost:
        if self._lost:
            return ConnectionLost()
        taken = data[: self._room]
        self._room -= len(taken)
        self.sent += taken
        return len(taken)


class OutletTests(SynchronousTestCase):
    def test_octets_go_out_at_once_while_there_is_room(self) -> None:
        kernel = Kernel()
        outlet = Outlet(kernel)
        outlet.write(b"one ")
        outlet.write(b"two")
        self.assertEqual((b"one two", b""), (kernel.sent, kernel.value()))

    def test_after_the_first_that_waits_all_do_in_their_order(self) -> None:
        kernel = Kernel(room=6)
        outlet = Outlet(kernel)
        outlet.write(b"one ")
        outlet.write(b"two ")
        kernel._room = 100
        outlet.write(b"three")
        self.assertEqual((b"one tw", b"o three"), (kernel.sent, kernel.value()))

    def test_lost_connection_is_left_to_the_transport(self) -> None:
        kernel = Kernel(lost=True)
        Outlet(kernel).write(b"one")
        self.assertEqual((b"", b"one"), (kernel.sent, kernel.value()))

    def test_what_comes_after_the_end_is_left_to_the_transport(self) -> None:
        kernel = Kernel()
        kernel.connected = False
        Outlet(kernel).write(b"one")
        self.assertEqual(b"", kernel.sent)

    def test_other_transports_are_written_to(self) -> None:
        transport = StringTransport()
        outlet = Outlet(transport)
        outlet.write(b"one")
        outlet.loseConnection()
        self.assertEqual((b"one", True), (transport.value(), transport.disconnecting))
