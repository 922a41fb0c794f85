"""`mailserver check` against the real process, and against what goes wrong with it.  DNS is a server of the test's."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.process import DOMAIN, ServerProcess, program
from tests.integration.terminal import Terminal
from tests.integration.zones import Trouble, Zones, reverse
from twisted_mail import owncertificate
from twisted_mail.cli.checks.table import CHECKS
from twisted_mail.cli.dnsrecords import own_addresses

NewServer = Callable[..., ServerProcess]
ADDRESSES = own_addresses() or ["192.0.2.25"]
HOST = "mail.example.org"


@contextmanager
def dns_of(server: ServerProcess) -> Iterator[Zones]:
    """What `mailserver domain records` says, in a DNS of its own, and what the machine's provider has to do."""
    table: dict[str, dict[str, list[str]]] = {reverse(address): {"PTR": [f"{HOST}."]} for address in ADDRESSES}
    table[HOST] = {
        "A": [each for each in ADDRESSES if ":" not in each],
        "AAAA": [each for each in ADDRESSES if ":" in each],
    }
    for line in server.admin("domain", "records", DOMAIN).stdout.splitlines():
        if line and not line.startswith(";") and " IN A" not in line:
            name, _, _, kind, value = line.split(maxsplit=4)
            text = value.replace('" "', "").strip('"')
            table.setdefault(name.rstrip("."), {}).setdefault(kind, []).append(text)
    with Zones(table) as zones:
        yield zones


def checked(server: ServerProcess, *names: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """Exit status; check -> levels and sentences."""
    done = server.try_admin("check", "--json", *names)
    found: dict[str, list[tuple[str, str]]] = {}
    for row in json.loads(done.stdout):
        found.setdefault(row["check"], []).append((row["level"], row["finding"]))
    return done.returncode, found


@pytest.fixture
def open_server(new_server: NewServer, monkeypatch: pytest.MonkeyPatch) -> ServerProcess:
    """A server on all interfaces, as one that the world can reach."""
    server = new_server()
    certify(server)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.folder / "ca.pem"))
    server.config.write_text(server.config.read_text().replace(":interface=127.0.0.1", ""))
    server.admin("domain", "add", DOMAIN)
    server.admin("account", "add", f"alice@{DOMAIN}", "--password-stdin", stdin="A long secret\n")
    for name in ("postmaster", "abuse"):
        server.admin("alias", "add", f"{name}@{DOMAIN}", f"alice@{DOMAIN}")
    return server


def certify(server: ServerProcess) -> None:
    """Give it a new certificate, for the name that it has here."""
    own = owncertificate.make("of a test", [HOST])
    (server.folder / "ca.pem").write_bytes(own.ca)
    (server.folder / "tls" / "privkey.pem").write_bytes(own.key)
    (server.folder / "tls" / "fullchain.pem").write_bytes(own.chain)


def configure(server: ServerProcess, more: str) -> None:
    server.config.write_text(server.config.read_text() + more)


def test_right_server_has_nothing_that_matters(open_server: ServerProcess) -> None:
    with dns_of(open_server) as zones:
        configure(open_server, zones.settings)
        open_server.start()
        done = open_server.try_admin("check")
        lines = [line.split(maxsplit=2) for line in done.stdout.splitlines() if not line.startswith(" ")]
        # the machine's clock and disk are as they are
        others = [line for line in lines if line[1] not in ("clock", "disk")]
        assert [line for line in others if line[0] != "ok"] == []
        assert {line[1] for line in others} == {"configuration", *(each.name for each in CHECKS)} - {"clock", "disk"}
        for sentence in (
            f"DNS says {HOST} is {' and '.join(ADDRESSES)}",
            f"DNS says of {DOMAIN} what it should",
            f"{ADDRESSES[0]} is called {HOST}",
            f"mail for postmaster and abuse of {DOMAIN} arrives",
            f"port {open_server.ports.smtp} does not send mail of strangers to other domains",
            f"the certificate is for {HOST}",
            "the system's list of authorities trusts what the server shows",
        ):
            assert sentence in [line[2] for line in lines], done.stdout
        assert [line[2] for line in lines if line[1] == "ports"] == [
            f"{name} at tcp:{getattr(open_server.ports, name)} answers"
            for name in ("smtp", "submission", "submissions", "pop3", "pop3s")
        ]
        assert next(line[2] for line in lines if line[1] == "try").startswith(
            "a message was sent, stored and fetched in"
        )
        assert open_server.admin("account", "list").stdout.count(DOMAIN) == 1


def test_every_difference_in_dns_is_told_and_matters(open_server: ServerProcess) -> None:
    with dns_of(open_server) as zones:
        configure(open_server, zones.settings)
        zones.records[DOMAIN] = {"MX": ["10 elsewhere.example."]}
        zones.records[reverse(ADDRESSES[0])] = {}
        status, found = checked(open_server, "dns", "reverse")
        assert status == 1
        assert (
            "fault",
            f"mail for {DOMAIN} goes to elsewhere.example and not to {HOST}",
        ) in found["dns"]
        assert ("fault", f"{DOMAIN} has no SPF record, and large providers refuse mail from such domains") in found[
            "dns"
        ]
        assert found["reverse"][0][0] == "fault"
        zones.records[HOST] = Trouble.FAILS
        status, found = checked(open_server, "dns")
        assert [level for level, _ in found["dns"]] == ["fault"]
        assert found["dns"][0][1].startswith(f"DNS gives no answer about {HOST} A: ")


def test_server_that_does_not_run_is_one_finding_a_check(open_server: ServerProcess) -> None:
    status, found = checked(open_server, "ports", "relay", "try")
    assert status == 1
    assert found["ports"] == [("fault", "none of its ports answers: the server does not run")]
    assert "does not answer on port" in found["try"][0][1]
    assert "relay" not in found


def test_certificate_that_the_server_has_not_read_yet_is_told(
    open_server: ServerProcess,
) -> None:
    open_server.start()
    certify(open_server)
    status, found = checked(open_server, "certificate")
    assert status == 1
    assert found["certificate"][-1][1].startswith("the server still shows another certificate than that of the file")


class _OpenRelay(socketserver.StreamRequestHandler):
    """Says yes to everything."""

    def handle(self) -> None:
        self.wfile.write(b"220 relay.example\r\n")
        for _ in self.rfile:
            self.wfile.write(b"250 Ok\r\n")


def test_open_relay_is_found_without_sending_anything(open_server: ServerProcess) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", open_server.ports.smtp), _OpenRelay) as relay:
        relay.daemon_threads = True
        threading.Thread(target=relay.serve_forever, args=(0.05,), daemon=True).start()
        status, found = checked(open_server, "relay")
        relay.shutdown()
    assert status == 1
    assert [level for level, _ in found["relay"]] == ["fault", "fault"]
    assert "takes mail from relay-test@elsewhere.invalid for other domains from anybody" in found["relay"][0][1]
    assert f"takes mail from postmaster@{DOMAIN}" in found["relay"][1][1]


def test_another_program_on_the_port_is_told(open_server: ServerProcess) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", open_server.ports.pop3), _OpenRelay) as other:
        other.daemon_threads = True
        threading.Thread(target=other.serve_forever, args=(0.05,), daemon=True).start()
        status, found = checked(open_server, "ports")
        other.shutdown()
    assert status == 1
    text = f'pop3 at tcp:{open_server.ports.pop3} says "220 relay.example" instead of a greeting'
    assert ("fault", text) in found["ports"]


def test_progress_is_on_the_terminal_and_not_in_the_pipe(open_server: ServerProcess) -> None:
    command = [program("mailserver"), "check", "files", "--config", str(open_server.config)]
    assert "checks: 1 of 1" in Terminal.run(command, os.environ, open_server.folder)
    done = open_server.try_admin("check", "files")
    assert (done.returncode, done.stderr) == (0, "")
