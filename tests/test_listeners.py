"""Sockets that have a path: their permissions, what is left over from a server that died, and what cannot be bound."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.listenaddress import ListenAddress
from twisted_mail.listeners import BoundAddress, bind, bind_all
from twisted_mail.settings import ConfigError


class UnixSocketTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "lmtp"
        self.addCleanup(self.clean_up)
        self.bound: list[BoundAddress] = []

    def clean_up(self) -> None:
        for bound in self.bound:
            bound.close()
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()

    def bind(self, options: str = "", path: Path | None = None) -> BoundAddress:
        self.bound.append(
            bind(ListenAddress.parse(f"unix:{path or self.path}{options}", "x.toml, line 3: listen.lmtp"))
        )
        return self.bound[-1]

    def refusal(self, path: Path | None = None) -> str:
        with self.assertRaises(ConfigError) as caught:
            self.bind(path=path)
        text = str(caught.exception)
        self.assertTrue(text.startswith("x.toml, line 3: listen.lmtp: "), text)
        return text

    def permissions(self) -> int:
        return stat.S_IMODE(self.path.stat().st_mode)

    def test_permissions_are_those_that_were_asked_for(self) -> None:
        mask = os.umask(0o077)
        self.addCleanup(os.umask, mask)
        for options, mode in ((":mode=660", 0o660), (":mode=600", 0o600), ("", 0o666)):
            self.bind(options).close()
            self.bind(options)
            self.assertEqual(mode, self.permissions())
            self.bound.pop().close()
        self.assertEqual(0o077, os.umask(0o077))

    def test_path_goes_with_the_socket_where_it_was_made_here(self) -> None:
        bound = self.bind()
        assert bound.socket is not None
        self.assertIsNone(bound.port)
        BoundAddress(bound.address, bound.socket.dup()).close()  # as a worker has it
        self.assertTrue(self.path.exists())
        bound.close()
        self.assertFalse(self.path.exists())

    def test_socket_that_a_dead_server_left_is_replaced(self) -> None:
        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(str(self.path))
        bound = self.bind(":mode=640")
        assert bound.socket is not None
        bound.socket.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.path))
        self.assertEqual(0o640, self.permissions())

    def test_socket_that_somebody_listens_on_is_left_alone(self) -> None:
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.path))
            other.listen()
            self.assertIn(f"{self.path} is in use; ", self.refusal())
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.path))

    def test_file_that_is_no_socket_is_left_alone(self) -> None:
        self.path.write_text("precious")
        self.assertIn("is not a socket", self.refusal())
        self.assertEqual("precious", self.path.read_text())
        self.path.unlink()
        target = self.folder / "target"
        target.write_text("precious")
        self.path.symlink_to(target)
        self.assertIn("is not a socket", self.refusal())
        self.assertEqual("precious", target.read_text())

    def test_reasons_name_path_and_remedy(self) -> None:
        self.assertIn(f"no folder {self.folder}/run; make it", self.refusal(self.folder / "run" / "lmtp"))
        self.assertIn("too long for a socket", self.refusal(self.folder / ("x" * 108)))

    def test_all_or_none_are_bound(self) -> None:
        addresses = [ListenAddress.parse(f"unix:{self.path}"), ListenAddress.parse(f"unix:{self.folder}/run/lmtp")]
        with self.assertRaises(ConfigError):
            bind_all(addresses)
        self.assertFalse(self.path.exists())

    def test_kind_of_endpoint_that_nobody_provides_is_refused_before_any_port_is_open(self) -> None:
        with self.assertRaises(ConfigError) as caught:
            bind(ListenAddress.parse("banana:25", "x.toml, line 3: listen.smtp"))
        self.assertEqual(
            'x.toml, line 3: listen.smtp: "banana:25" begins with an unknown kind of endpoint; write it like "tcp:25"',
            str(caught.exception),
        )
        self.assertIsNone(bind(ListenAddress.parse("systemd:domain=INET:name=smtp")).socket)
