"""The system's resolvers, as its own file names them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.resolving import system_resolvers

CASES = (
    ("nameserver 127.0.0.53\n", ["127.0.0.53"]),
    (
        "# generated\nsearch example.org\nnameserver\t192.0.2.1 \nnameserver fe80::1%eth0\n",
        ["192.0.2.1", "fe80::1%eth0"],
    ),
    ("nameserver\nnameserver here\n#nameserver 192.0.2.1\noptions edns0\n", []),
    ("", []),
)
"""resolv.conf(5) -> the addresses in it."""


class SystemResolversTests(SynchronousTestCase):
    def test_file_names_them_in_order(self) -> None:
        path = Path(self.mktemp())
        for text, addresses in CASES:
            path.write_text(text)
            self.assertEqual([(address, 53) for address in addresses], system_resolvers(str(path)))

    def test_file_that_is_not_there_names_none(self) -> None:
        self.assertEqual([], system_resolvers(self.mktemp()))
