"""What a running server takes of a changed configuration."""

from __future__ import annotations

import socket
from dataclasses import replace

from twisted.trial.unittest import TestCase

from twisted_mail.config import ConfigError, ListenAddress, demo_config
from twisted_mail.listeners import BoundAddress
from twisted_mail.reloading import close_new, rebound, takeable


def address(port: int) -> ListenAddress:
    return ListenAddress.parse(f"tcp:{port}:interface=127.0.0.1")


def is_open(bound: BoundAddress) -> bool:
    return bound.socket is not None and bound.socket.fileno() >= 0


class TakeableTests(TestCase):
    def test_limits_change_and_the_data_directory_waits_for_the_start(self) -> None:
        running = demo_config("here")
        wanted = replace(demo_config("there"), limits=replace(running.limits, recipients=5))
        taken, later = takeable(running, wanted)
        self.assertEqual(5, taken.limits.recipients)
        self.assertEqual(running.data, taken.data)
        self.assertEqual(["data"], list(later))

    def test_format_of_the_log_that_the_start_chose_is_no_change(self) -> None:
        wanted = demo_config()
        running = replace(wanted, log=replace(wanted.log, format="json"))
        self.assertEqual((running, []), takeable(running, wanted))

    def test_another_level_of_the_log_waits_for_the_start(self) -> None:
        running = demo_config()
        wanted = replace(running, log=replace(running.log, levels={"queue": running.log.level}))
        self.assertEqual((running, ["log"]), takeable(running, wanted))


class ReboundTests(TestCase):
    def bound(self, *addresses: ListenAddress) -> list[BoundAddress]:
        made, _ = rebound({}, {"smtp": addresses})
        for each in made["smtp"]:
            self.addCleanup(each.close)
        return list(made["smtp"])

    def test_address_that_stays_keeps_its_socket_also_for_another_service(self) -> None:
        (kept, old) = self.bound(address(0), ListenAddress.parse("tcp:0:interface=127.0.0.2"))
        new, given_up = rebound({"smtp": [kept, old]}, {"submission": [kept.address], "smtp": []})
        self.assertIs(kept, new["submission"][0])
        self.assertEqual(([], [old]), (new["smtp"], given_up))

    def test_equal_addresses_whose_port_the_system_chooses_are_each_another_socket(self) -> None:
        first, second = self.bound(address(0), address(0))
        self.assertNotEqual(first.port, second.port)
        again, given_up = rebound({"smtp": [first, second]}, {"smtp": [address(0)], "pop3": [address(0)]})
        self.assertEqual(([first], [second], []), (again["smtp"], again["pop3"], given_up))

    def test_address_that_cannot_be_bound_leaves_all_as_it_was(self) -> None:
        (kept,) = self.bound(address(0))
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            taken = address(other.getsockname()[1])
            with self.assertRaises(ConfigError):
                rebound({"smtp": [kept]}, {"smtp": [kept.address, address(0), taken]})
        self.assertNotEqual(-1, kept.socket.fileno() if kept.socket is not None else -1)

    def test_change_that_is_given_up_closes_the_new_sockets_only(self) -> None:
        (kept, left_out) = self.bound(address(0), ListenAddress.parse("tcp:0:interface=127.0.0.2"))
        before = {"smtp": [kept, left_out]}
        new, _ = rebound(before, {"smtp": [kept.address], "pop3": [address(0)]})
        close_new(new, before)
        self.assertEqual([True, True, False], [is_open(each) for each in (kept, left_out, *new["pop3"])])
