"""A real name server, dnsmasq: which servers the relay finds, and what senders hear where there are none."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest

from tests.integration.process import ServerProcess, free_port
from tests.integration.requirements import require_program
from tests.integration.test_relay import reactor, run
from tests.integration.test_send import wait_for_mail
from twisted_mail.delivery.mx import MXResolver
from twisted_mail.interfaces import RemoteRefusal
from twisted_mail.resolving import dns_resolver

ZONES = (
    "--mx-host=there.example,b.there.example,20",
    "--mx-host=there.example,a.there.example,10",
    "--host-record=a.there.example,192.0.2.1",
    "--host-record=b.there.example,192.0.2.2,2001:db8::2",
    "--host-record=alone.example,192.0.2.3",
    "--mx-host=null.example,.,0",
    "--mx-host=back.example,mx.back.example,10",
    "--host-record=mx.back.example,127.0.0.1",
)


@pytest.fixture
def names() -> Iterator[int]:
    """The port of a name server that knows ZONES, and that nothing else exists below example."""
    port = free_port()
    command = [require_program("dnsmasq", "dnsmasq-base"), "--keep-in-foreground", "--no-resolv", "--no-hosts"]
    command += ["--conf-file=/dev/null", "--local=/example/", f"--port={port}", "--listen-address=127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder:
        command += ["--bind-interfaces", "--user=", f"--pid-file={folder}/pid", *ZONES]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            time.sleep(0.3)
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=10)


def test_servers_are_those_of_the_records(names: int) -> None:
    async def look_up() -> dict[str, str]:
        mx = MXResolver(dns_resolver([("127.0.0.1", names)], reactor), reactor, "us.example", Random(1))
        found = {}
        for domain in ("there.example", "alone.example", "null.example", "nowhere.example", "back.example"):
            try:
                hosts = [f"{host.name}={'/'.join(sorted(host.addresses))}" for host in await mx.hosts(domain)]
                found[domain] = " ".join(hosts)
            except RemoteRefusal as refusal:
                found[domain] = f"{refusal.reply.code} {refusal.reply.status}"
        return found

    assert run(look_up()) == {
        "there.example": "a.there.example=192.0.2.1 b.there.example=192.0.2.2/2001:db8::2",
        "alone.example": "alone.example=192.0.2.3",
        "null.example": "556 5.1.10",
        "nowhere.example": "550 5.1.2",
        "back.example": "554 5.4.6",
    }


def test_server_asks_the_name_server_that_it_was_given(names: int, new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(f'[relay]\nenabled = true\n[dns]\nservers = ["127.0.0.1:{names}"]\n', accounts=1)
    server.start()
    alice = server.new_user()
    to = [f"bob@{name}.example" for name in ("null", "nowhere", "back")]
    server.admin("send", "-f", alice.address, *to, stdin="Subject: x\n\nx\n")
    (report,) = wait_for_mail(server, alice)
    for status in (b"Status: 5.1.10", b"Status: 5.1.2", b"Status: 5.4.6"):
        assert report.count(status) == 1
    assert server.admin("queue", "list").stdout == "no messages wait\n"
