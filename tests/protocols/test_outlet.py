"""The way out of a connection: what goes to the kernel at once, and what to the transport."""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.protocols.outlet import Outlet


class Kernel:
    """A transport of which the kernel takes *room* octets."""

    connected = True
    disconnecting = False

    def __init__(self, room: int, at_once: int = 100) -> None:
        self._room = room
        self._at_once = at_once
        self.taken = b""
        self.held = b""

    def writeSomeData(self, data: bytes) -> int:
        taken = data[: min(self._room, self._at_once)]
        self._room -= len(taken)
        self.taken += taken
        return len(taken)

    def write(self, data: bytes) -> None:
        self.held += data


class Wrapper(ProtocolWrapper):
    """One that changes what goes out, as TLS does."""

    def write(self, data: bytes) -> None:
        self.transport.write(data.swapcase())


class OutletTests(SynchronousTestCase):
    def test_what_the_kernel_does_not_take_waits_and_the_order_is_kept(self) -> None:
        kernel = Kernel(5)
        outlet = Outlet(kernel)
        for octets in (b"abc", b"def", b"ghi"):
            outlet.write(octets)
        self.assertEqual((b"abcde", b"fghi"), (kernel.taken, kernel.held))

    def test_more_than_a_transport_gives_the_kernel_at_once_goes_there_all_the_same(self) -> None:
        most = FileDescriptor.SEND_LIMIT
        kernel = Kernel(3 * most, most)
        outlet = Outlet(kernel)
        octets = b"ab" * most + b"c"
        outlet.write(octets)
        outlet.write(b"d")
        self.assertEqual((octets + b"d", b""), (kernel.taken, kernel.held))
        outlet.write(octets)
        outlet.write(b"e")
        self.assertEqual(3 * most, len(kernel.taken))
        self.assertEqual(octets + b"d" + octets + b"e", kernel.taken + kernel.held)

    def test_transport_that_is_a_protocol_itself_is_not_passed_by(self) -> None:
        kernel = Kernel(100)
        wrapper = Wrapper(WrappingFactory(None), Protocol())  # type: ignore[arg-type]
        wrapper.transport = kernel  # type: ignore[assignment]
        Outlet(wrapper).write(b"abc")
        self.assertEqual((b"", b"ABC"), (kernel.taken, kernel.held))
