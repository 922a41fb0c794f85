"""The relay on real sockets: smtp-sink with its misbehaviours, a Postfix, our own server, TLS right and wrong.

Everything is on loopback; the resolver is a table.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.threads import deferToThreadPool
from twisted.names import dns
from twisted.names.client import Resolver
from twisted.names.common import ResolverBase
from twisted.names.dns import DNSDatagramProtocol, RRHeader
from twisted.names.error import DomainError
from twisted.names.server import DNSServerFactory
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from tests.integration.certificate import Authority
from tests.integration.process import DOMAIN, ServerProcess, answers, free_port
from tests.integration.requirements import require_program, require_root
from tests.integration.wire import fetch, without_trace
from tests.peers import FixedHosts
from tests.support import code_of
from tests.targets import ORIGIN, message
from twisted_mail.content import Message
from twisted_mail.delivery.mx import MXResolver
from twisted_mail.delivery.relay import Relay
from twisted_mail.delivery.routes import Routes, parse_smarthost
from twisted_mail.filecontents import MEMORY_BOUND, SpilledBody
from twisted_mail.interfaces import MailHost, RemoteRefusal
from twisted_mail.protocols.clienttls import unverified, verified
from twisted_mail.protocols.destination import Destination, TLSUse, parse_destination
from twisted_mail.protocols.smtpclient import TIMEOUTS, ClientOptions
from twisted_mail.protocols.smtppool import ConnectionPool
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.client_events import Stage
from twisted_mail.smtp.envelope import MailOptions, Recipient

reactor: Any = global_reactor
T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for one delivery: a broken relay shall fail the test, not hang it."""
SENDER = "a@us.example"


def run(awaitable: Awaitable[T]) -> T:
    """What comes of *awaitable*, with the reactor running as long as it needs (crash() lets it run again)."""
    outcome: list[Any] = []

    def start() -> None:
        done = Deferred.fromCoroutine(awaitable)  # type: ignore[arg-type]  # all of ours are coroutines
        done.addBoth(outcome.append).addBoth(lambda _: reactor.crash())

    reactor.callWhenRunning(start)
    watchdog = reactor.callLater(PATIENCE, reactor.crash)
    reactor.run(installSignalHandlers=False)
    assert outcome, f"nothing came of it within {PATIENCE} seconds"
    watchdog.cancel()
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result


@dataclass
class Sender:
    """Relays messages of a test."""

    trust: Path | None = None
    """The certificate authority whose signature counts."""
    timeouts: Mapping[Stage, float] = field(default_factory=lambda: TIMEOUTS)

    def send(
        self,
        destination: Destination | MailHost,
        *recipients: str,
        text: Message | None = None,
        sender: str = SENDER,
        options: MailOptions | None = None,
    ) -> dict[str, str]:
        """Recipient -> the code of what came of it; empty: the server has it."""
        who = recipients or ("b@there.example",)
        self._threads = ThreadPool(0, 1)
        self._threads.start()
        try:
            return run(self._send(destination, who, text or message(), sender, options or MailOptions()))
        finally:
            self._threads.stop()

    async def _send(
        self,
        destination: Destination | MailHost,
        recipients: tuple[str, ...],
        text: Message,
        sender: str,
        options: MailOptions,
    ) -> dict[str, str]:
        pool = ConnectionPool(self._client_options())
        if isinstance(destination, MailHost):
            domains = {parse_address(recipient).domain for recipient in recipients}
            relay = Relay(Routes(), FixedHosts(dict.fromkeys(domains, (destination,))), pool)
        else:
            relay = Relay(Routes(smarthost=destination), FixedHosts({}), pool)
        delivery = await relay.begin(ORIGIN, parse_address(sender), options)
        for recipient in recipients:
            await delivery.add_recipient(Recipient(parse_address(recipient)))
        results = await delivery.deliver(text)
        await relay.close()
        return {str(recipient.address): code_of(error) for recipient, error in results.items()}

    def _client_options(self) -> ClientOptions:
        def blocking(call: Callable[[], object]) -> Deferred[object]:
            return deferToThreadPool(reactor, self._threads, call)

        trust = None
        if self.trust is not None:
            trust = trustRootFromCertificates([Certificate.loadPEM(self.trust.read_bytes())])
        return ClientOptions(reactor, "us.example", blocking, verified(trust), unverified(), self.timeouts)


def host(port: int) -> MailHost:
    return MailHost("localhost", ("127.0.0.1",), port)


def large_message(size: int, folder: Path) -> Message:
    """Its body is in a file; every line begins with a dot."""
    file = (folder / "body").open("w+b", buffering=0)
    body = (b"." + b"x" * 62 + b"\n") * (size // 64)
    file.write(body)
    return Message("02" * 16, b"Subject: large\n\n", SpilledBody(file, 0, len(body)), len(body) // 64 + 2)


# ---- smtp-sink


class Sink:
    """Postfix's smtp-sink on a port of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._folder = folder / f"sink-{self.port}"
        self._folder.mkdir()
        self._folder.chmod(0o777)
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        command = [require_program("smtp-sink", "postfix"), *user, *options, "-d", f"{self._folder}/m."]
        self._process = subprocess.Popen([*command, f"127.0.0.1:{self.port}", "100"], stderr=subprocess.PIPE)

    def __enter__(self) -> Sink:
        deadline = time.monotonic() + 20
        while not answers(self.port):
            assert self._process.poll() is None, self._process.stderr and self._process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def dumps(self) -> list[str]:
        """What it took, each with its envelope in front."""
        return [file.read_text() for file in self._folder.iterdir() if "X-Mail-Args" in file.read_text()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other users can reach."""
    with tempfile.TemporaryDirectory(prefix="mailserver-") as path:
        os.chmod(path, 0o755)
        yield Path(path)


# the option, the outcome of a message, and whether the sink has it
MISBEHAVIOURS = {
    "nothing wrong": ((), "", True),
    "no pipelining": (("-p",), "", True),
    "no ESMTP": (("-e",), "", True),
    "a Cisco PIX": (("-P",), "", True),
    "no enhanced codes": (("-E",), "", True),
    "no DSN": (("-N",), "", True),
    "421 to CONNECT": (("-Q", "connect"), "421 4.0.0", False),
    "later to CONNECT": (("-r", "connect"), "450 4.3.0", False),
    "never to CONNECT": (("-f", "connect"), "500 5.3.0", False),
    "drop at CONNECT": (("-q", "connect"), "451 4.4.2", False),
    "no EHLO": (("-f", "ehlo"), "", True),
    "no EHLO nor HELO": (("-f", "ehlo,helo"), "500 5.3.0", False),
    "later to MAIL": (("-r", "mail"), "450 4.3.0", False),
    "never to MAIL": (("-f", "mail"), "500 5.3.0", False),
    "drop at MAIL": (("-q", "mail"), "451 4.4.2", False),
    "421 to MAIL": (("-Q", "mail"), "421 4.0.0", False),
    "later to RCPT": (("-r", "rcpt"), "450 4.3.0", False),
    "never to RCPT": (("-f", "rcpt"), "500 5.3.0", False),
    "drop at RCPT": (("-q", "rcpt"), "451 4.4.2", False),
    "later to DATA": (("-r", "data"), "450 4.3.0", False),
    "never to DATA": (("-f", "data"), "500 5.3.0", False),
    "drop at DATA": (("-q", "data"), "451 4.4.2", False),
    "later to the text": (("-r", "."), "450 4.3.0", None),
    "never to the text": (("-f", "."), "500 5.3.0", None),
    "drop at the text": (("-q", "."), "451 4.4.2", None),
    "words of its own": (("-r", "rcpt", "-b", "451 4.7.1 Greylisted"), "451 4.7.1", False),
    "550 in the middle of the text": (("-A", "0"), "550 5.0.0", None),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_smtp_sink_that_misbehaves(name: str, folder: Path) -> None:
    options, outcome, taken = MISBEHAVIOURS[name]
    with Sink(folder, *options) as sink:
        result = Sender().send(host(sink.port))["b@there.example"]
        if outcome.endswith("0.0"):  # the sink has no enhanced code there
            outcome = outcome.split()[0]
            result = result.split()[0]
        assert result == outcome
        if taken is not None:
            assert len(sink.dumps()) == taken


def test_sink_without_8bitmime_gets_seven_bits(folder: Path) -> None:
    with Sink(folder, "-8") as sink:
        assert Sender().send(host(sink.port), text=message("Subject: x\n\nGrüße\n".encode())) == {"b@there.example": ""}
        [dump] = sink.dumps()
        assert "\nGr=C3=BC=C3=9Fe\n" in dump.replace("\r", "")


def test_lmtp_of_smtp_sink_takes_a_message_for_several(folder: Path) -> None:
    with Sink(folder, "-L") as sink:
        route = parse_destination(f"lmtp:tcp:127.0.0.1:{sink.port}")
        results = Sender().send(route, "b@there.example", "c@there.example")
        assert results == {"b@there.example": "", "c@there.example": ""}
        [dump] = sink.dumps()
        assert "b@there.example" in dump
        assert "c@there.example" in dump


def test_large_message_arrives_at_a_sink_that_reads_late(folder: Path) -> None:
    with Sink(folder, "-H", "1") as sink:
        assert Sender().send(host(sink.port), text=large_message(20 * MEMORY_BOUND, folder)) == {"b@there.example": ""}
        [dump] = sink.dumps()
        assert dump.count("\n.x") == 20 * MEMORY_BOUND // 64


def test_sink_that_is_too_slow_is_given_up(folder: Path) -> None:
    with Sink(folder, "-w", "30") as sink:
        sender = Sender(timeouts=dict.fromkeys(TIMEOUTS, 1.0))
        assert sender.send(host(sink.port)) == {"b@there.example": "451 4.4.2"}


# ---- our own server


def test_our_server_takes_a_message_with_tls_that_nobody_verifies(server: ServerProcess) -> None:
    user = server.new_user()
    text = message("Subject: Grüße\n\n.\n..\nGrüße\n".encode())
    assert Sender().send(host(server.ports.smtp), user.address, text=text) == {user.address: ""}
    [got] = fetch(server, user)
    assert without_trace(got.octets) == "Subject: Grüße\r\n\r\n.\r\n..\r\nGrüße\r\n".encode()
    assert b"with ESMTPS" in got.octets


def test_our_server_refuses_one_of_two(server: ServerProcess) -> None:
    user = server.new_user()
    results = Sender().send(host(server.ports.smtp), user.address, f"nobody.at.all@{DOMAIN}")
    assert results == {user.address: "", f"nobody.at.all@{DOMAIN}": "550 5.1.1"}
    assert len(fetch(server, user)) == 1


def test_large_message_arrives_octet_by_octet_the_same(server: ServerProcess, folder: Path) -> None:
    user = server.new_user()
    text = large_message(10 * MEMORY_BOUND, folder)
    assert Sender().send(host(server.ports.smtp), user.address, text=text) == {user.address: ""}
    [got] = fetch(server, user)
    assert without_trace(got.octets) == b"".join(text.pieces()).replace(b"\n", b"\r\n")


VERIFIED = Destination("localhost", "127.0.0.1", tls=TLSUse.VERIFIED)


def test_certificate_is_verified_where_it_must_be(server: ServerProcess, tmp_path: Path) -> None:
    user = server.new_user()
    route = replace(VERIFIED, port=server.ports.smtp)
    trusting = Sender(server.authority.file)
    for sender, destination, outcome in (
        (trusting, route, ""),
        (trusting, replace(route, name="mx.there.example"), "451 4.7.5"),
        (trusting, replace(route, name="127.0.0.1"), ""),
        (Sender(Authority(tmp_path).file), route, "451 4.7.5"),
        (Sender(), route, "451 4.7.5"),
    ):
        assert sender.send(destination, user.address) == {user.address: outcome}
    assert len(fetch(server, user)) == 2


def test_smarthost_by_starttls_and_by_tls_from_the_first_octet(server: ServerProcess) -> None:
    user = server.new_user()
    for endpoint in (f"tcp:localhost:{server.ports.submission}", f"tls:localhost:{server.ports.submissions}"):
        smarthost = replace(parse_smarthost(endpoint, user.address, user.password), address="127.0.0.1")
        if endpoint.startswith("tcp"):
            smarthost = replace(smarthost, tls=TLSUse.VERIFIED)
        results = Sender(server.authority.file).send(smarthost, user.address, sender=user.address)
        assert results == {user.address: ""}
        wrong = replace(parse_smarthost(endpoint, user.address, "wrong"), address="127.0.0.1")
        results = Sender(server.authority.file).send(wrong, user.address, sender=user.address)
        assert results == {user.address: "451 4.7.0"}
    messages = fetch(server, user)
    assert [b"with ESMTPSA" in got.octets for got in messages] == [True, True]


def test_smarthost_with_scram_is_logged_in_to_without_sending_the_password(
    new_server: Callable[..., ServerProcess],
) -> None:
    server = new_server('[auth]\nmechanisms = ["SCRAM-SHA-256"]\n')
    server.admin("domain", "add", "example.org")
    server.admin("account", "add", "alice@example.org", "--password-stdin", stdin="pencil\n")
    server.start()
    endpoint = f"tls:localhost:{server.ports.submissions}"
    for password, outcome in (("pencil", ""), ("pen", "451 4.7.0")):
        smarthost = replace(parse_smarthost(endpoint, "alice@example.org", password), address="127.0.0.1")
        results = Sender(server.authority.file).send(smarthost, "alice@example.org", sender="alice@example.org")
        assert results == {"alice@example.org": outcome}


def test_route_leads_to_the_lmtp_of_another_store(new_server: Callable[..., ServerProcess]) -> None:
    store = new_server(accounts=2)
    port, path = free_port(), store.folder / "lmtp"
    addresses = f'"tcp:{port}:interface=127.0.0.1", "unix:{path}:mode=666"'
    store.config.write_text(store.config.read_text().replace("[listen]", f"[listen]\nlmtp = [{addresses}]", 1))
    store.start()
    first, second = store.new_user(), store.new_user()
    nobody = f"nobody.at.all@{DOMAIN}"
    for endpoint in (f"lmtp:tcp:127.0.0.1:{port}", f"lmtp:unix:{path}"):
        results = Sender().send(parse_destination(endpoint), first.address, nobody, second.address)
        assert results == {first.address: "", nobody: "550 5.1.1", second.address: ""}
    assert [len(fetch(store, user)) for user in (first, second)] == [2, 2]


# ---- STARTTLS that fails


@contextmanager
def broken_starttls() -> Iterator[tuple[int, list[bytes]]]:
    """A server that offers STARTTLS and cannot do it; its port, and the texts that it took in the clear."""
    listener = socket.create_server(("127.0.0.1", 0))
    texts: list[bytes] = []

    def converse(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb", buffering=0) as wire:
            wire.write(b"220 mx\r\n")
            while line := wire.readline():
                if line.startswith(b"EHLO"):
                    wire.write(b"250-mx\r\n250 STARTTLS\r\n")
                elif line.startswith(b"STARTTLS"):
                    wire.write(b"220 go\r\nthis is no TLS at all\r\n")
                    return
                elif line.startswith(b"DATA"):
                    wire.write(b"354 go\r\n")
                    texts.append(b"".join(iter(wire.readline, b".\r\n")))
                    wire.write(b"250 taken\r\n")
                else:
                    wire.write(b"250 ok\r\n")

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            converse(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], texts
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def test_starttls_that_fails_is_done_without_where_anything_will_do() -> None:
    with broken_starttls() as (port, texts):
        assert Sender().send(host(port)) == {"b@there.example": ""}
        assert texts == [b"Subject: hello\r\n\r\nHello\r\n"]


def test_starttls_that_fails_is_the_end_where_tls_must_be() -> None:
    with broken_starttls() as (port, texts):
        assert Sender().send(replace(VERIFIED, port=port)) == {"b@there.example": "451 4.7.5"}
        needs_tls = MailOptions(require_tls=True)
        smarthost = Destination("localhost", "127.0.0.1", port)
        assert Sender().send(smarthost, options=needs_tls) == {"b@there.example": "550 5.7.10"}
        assert Sender().send(host(port), options=needs_tls) == {"b@there.example": "550 5.7.30"}
        assert texts == []


# ---- DNS


class Zone(ResolverBase):
    """What the name server knows: (name, type) -> records; other names do not exist."""

    def __init__(self, table: dict[tuple[str, int], list[object]]) -> None:
        super().__init__()
        self._table = table

    def _lookup(self, name: bytes, cls: int, type: int, timeout: object) -> Deferred[object]:
        if name == b"broken.example":
            return fail(RuntimeError("a broken zone"))
        known = {known for known, _ in self._table}
        if name.decode() not in known:
            return fail(DomainError(name))
        records = self._table.get((name.decode(), type), [])
        return succeed(([RRHeader(name, type, ttl=60, payload=record) for record in records], [], []))


def test_servers_are_found_in_a_real_dns() -> None:
    table: dict[tuple[str, int], list[object]] = {
        ("there.example", dns.MX): [dns.Record_MX(20, "b.there.example"), dns.Record_MX(10, "a.there.example")],
        ("a.there.example", dns.A): [dns.Record_A("192.0.2.1")],
        ("b.there.example", dns.AAAA): [dns.Record_AAAA("2001:db8::1")],
        ("alone.example", dns.A): [dns.Record_A("192.0.2.3")],
        ("null.example", dns.MX): [dns.Record_MX(0, "")],
    }

    async def look_up() -> dict[str, str]:
        port = reactor.listenUDP(0, DNSDatagramProtocol(DNSServerFactory(clients=[Zone(table)])), "127.0.0.1")
        resolver = Resolver(servers=[("127.0.0.1", port.getHost().port)])
        mx = MXResolver(resolver, reactor, "us.example", Random(1))
        found = {}
        for domain in ("there.example", "alone.example", "null.example", "nowhere.example", "broken.example"):
            try:
                found[domain] = " ".join(f"{host.name}={host.addresses[0]}" for host in await mx.hosts(domain))
            except RemoteRefusal as refusal:
                found[domain] = f"{refusal.reply.code} {refusal.reply.status}"
        await maybeDeferred(port.stopListening)
        return found

    assert run(look_up()) == {
        "there.example": "a.there.example=192.0.2.1 b.there.example=2001:db8::1",
        "alone.example": "alone.example=192.0.2.3",
        "null.example": "556 5.1.10",
        "nowhere.example": "550 5.1.2",
        "broken.example": "451 4.4.3",
    }


# ---- Postfix

MAIN_CF = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
local_recipient_maps =
relayhost =
default_transport = error:nothing leaves this test
virtual_mailbox_domains = there.example
virtual_mailbox_maps = inline:{{ {{ b@there.example = b/ }}, {{ c@there.example = c/ }} }}
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = reject_unlisted_recipient
smtpd_tls_cert_file = {folder}/tls/fullchain.pem
smtpd_tls_key_file = {folder}/tls/privkey.pem
smtpd_tls_security_level = may
smtpd_recipient_limit = 3
smtputf8_enable = yes
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
"""
MASTER_CF = """127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
virtual unix - n n - - virtual
error unix - - n - - error
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A Postfix of its own: there.example lives here, with b and c."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.port = free_port()
        self.folder = folder
        owner = pwd.getpwnam("postfix")
        for name in ("queue", "data", "mail"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix", "postfix")
        shutil.chown(folder / "mail", "postfix", "postfix")
        authority.issue(folder / "tls")
        values = {"folder": folder, "port": self.port, "uid": owner.pw_uid, "gid": grp.getgrnam("postfix").gr_gid}
        (folder / "main.cf").write_text(MAIN_CF.format(**values))
        (folder / "master.cf").write_text(MASTER_CF.format(**values))

    def command(self, verb: str) -> None:
        done = subprocess.run(
            ["postfix", "-c", str(self.folder), verb], capture_output=True, text=True, timeout=60, check=False
        )
        log = self.folder / "log"
        assert done.returncode == 0, done.stdout + done.stderr + (log.read_text() if log.exists() else "")

    def __enter__(self) -> Postfix:
        self.command("start")
        deadline = time.monotonic() + 20
        while not answers(self.port):
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *error: object) -> None:
        self.command("stop")

    def mail(self, user: str, count: int) -> list[str]:
        """The user's messages, once there are *count*."""
        deadline = time.monotonic() + 20
        while len(files := list((self.folder / "mail" / user / "new").glob("*"))) < count:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)
        return [file.read_text() for file in files]


@pytest.fixture
def postfix(folder: Path, authority: Authority) -> Iterator[Postfix]:
    require_root()
    require_program("postfix")
    with ExitStack() as stack:
        (folder / "postfix").mkdir()
        yield stack.enter_context(Postfix(folder / "postfix", authority))


def test_postfix_takes_messages_over_tls(postfix: Postfix) -> None:
    text = message(b"Subject: hello\n\n.\nHello\n")
    results = Sender().send(host(postfix.port), "b@there.example", "nobody@there.example", text=text)
    assert results == {"b@there.example": "", "nobody@there.example": "550 5.1.1"}
    [got] = postfix.mail("b", 1)
    assert "\nSubject: hello\n" in got
    assert got.endswith("\n\n.\nHello\n")
    assert "with ESMTPS" in got
    verified_route = replace(VERIFIED, port=postfix.port)
    assert Sender(postfix.folder / "tls" / "fullchain.pem").send(verified_route) == {"b@there.example": "451 4.7.5"}


def test_postfix_has_too_many_recipients_and_gets_the_others_after(postfix: Postfix) -> None:
    # it takes three of one transaction: aliases of two mailboxes by address extension are no recipients to it
    recipients = [f"{name}@there.example" for name in ("b", "c", "x", "y", "z")]
    results = Sender().send(host(postfix.port), *recipients)
    assert results == {
        "b@there.example": "",
        "c@there.example": "",
        **{f"{name}@there.example": "550 5.1.1" for name in "xyz"},
    }
    assert len(postfix.mail("c", 1)) == 1


def test_postfix_understands_utf8_addresses_and_dsn_parameters(postfix: Postfix) -> None:
    text = message("Subject: Grüße\n\nGrüße\n".encode())
    options = MailOptions(smtputf8=True, envelope_id="QQ 314=159+26")
    results = Sender().send(host(postfix.port), text=text, options=options, sender="ä@us.example")
    assert results == {"b@there.example": ""}
    [got] = postfix.mail("b", 1)
    assert "Return-Path: <ä@us.example>" in got
