"""The programs that users have, against the real server: each sends or fetches one letter, and the octets are right."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.requirements import require_program
from tests.integration.terminal import Terminal
from tests.integration.wire import fetch, send_exactly

BODY = "Grüße\n.\n..two dots\nFrom here on\n\ttab, trailing space \n" + "long " * 190 + "\n"
LETTER = (
    "From: {sender}\nTo: {recipient}\nSubject: by a real client\nMIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + BODY
)


@pytest.fixture
def alice(server: ServerProcess) -> User:
    return server.new_user()


@pytest.fixture
def bob(server: ServerProcess) -> User:
    return server.new_user()


def letter(alice: User, bob: User) -> bytes:
    return LETTER.format(sender=alice.address, recipient=bob.address).encode()


def run(folder: Path, *command: str, stdin: bytes = b"") -> bytes:
    """Run a client that must succeed, at home in *folder*; what it prints."""
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb"},
    )
    assert done.returncode == 0, f"{command}: {done.stdout.decode()}{done.stderr.decode()}"
    return done.stdout


def private_file(folder: Path, name: str, text: str) -> str:
    """Clients insist that a file with a password is for its owner only."""
    file = folder / name
    file.touch(mode=0o600)
    file.write_text(text)
    return str(file)


def assert_arrived(server: ServerProcess, alice: User, bob: User) -> None:
    """Bob has the letter, octet for octet from its Subject on."""
    [message] = fetch(server, bob)
    wanted = letter(alice, bob).replace(b"\n", b"\r\n")
    assert message.octets.endswith(wanted[wanted.index(b"\r\n\r\n") :])
    assert b"Subject: by a real client\r\n" in message.octets


def give(server: ServerProcess, alice: User, bob: User, count: int = 1) -> None:
    """Bob has *count* letters."""
    for _ in range(count):
        send_exactly(server, letter(alice, bob).replace(b"\n", b"\r\n"), bob, sender=alice.address)


def assert_same(server: ServerProcess, user: User, fetched: bytes) -> None:
    """What a client wrote with LF line ends holds the body that we sent."""
    assert BODY.encode() in fetched.replace(b"\r\n", b"\n")
    assert b"Subject: by a real client\n" in fetched.replace(b"\r\n", b"\n")


# ---- sending


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("port", ["submission", "submissions"])
def test_curl_sends(server: ServerProcess, alice: User, bob: User, tmp_path: Path, port: str, mechanism: str) -> None:
    curl = require_program("curl")
    file = tmp_path / "letter"
    file.write_bytes(letter(alice, bob).replace(b"\n", b"\r\n"))
    scheme = "smtp" if port == "submission" else "smtps"
    run(
        tmp_path,
        *(curl, "--silent", "--show-error", "--ssl-reqd", "--cacert", str(server.authority.file)),
        *("--url", f"{scheme}://localhost:{getattr(server.ports, port)}", "--login-options", f"AUTH={mechanism}"),
        *("--user", f"{alice.address}:{alice.password}", "--mail-from", alice.address, "--mail-rcpt", bob.address),
        *("--upload-file", str(file)),
    )
    assert_arrived(server, alice, bob)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("port", ["submission", "submissions"])
def test_swaks_sends(server: ServerProcess, alice: User, bob: User, tmp_path: Path, port: str, mechanism: str) -> None:
    swaks = require_program("swaks")
    transcript = run(
        tmp_path,
        *(swaks, "--server", "localhost", "--port", str(getattr(server.ports, port)), "--auth", mechanism),
        *("--tls" if port == "submission" else "--tls-on-connect", "--tls-verify"),
        *("--tls-ca-path", str(server.authority.file), "--auth-user", alice.address, "--auth-password", alice.password),
        *("--from", alice.address, "--to", bob.address, "--data", "-"),
        stdin=letter(alice, bob).removesuffix(b"\n"),  # it adds one
    )
    assert b"<~  250 2.0.0 Stored as " in transcript
    assert_arrived(server, alice, bob)


def test_swaks_delivers_like_another_server(server: ServerProcess, alice: User, bob: User, tmp_path: Path) -> None:
    swaks = require_program("swaks")
    command = [swaks, "--server", f"127.0.0.1:{server.ports.smtp}", "--pipeline", "--from", "them@else.example"]
    run(tmp_path, *command, "--to", bob.address, "--data", "-", stdin=letter(alice, bob).removesuffix(b"\n"))
    assert_arrived(server, alice, bob)


@pytest.mark.parametrize("port", ["submission", "submissions"])
def test_msmtp_sends(server: ServerProcess, alice: User, bob: User, tmp_path: Path, port: str) -> None:
    msmtp = require_program("msmtp")
    settings = private_file(
        tmp_path,
        "msmtprc",
        f"account default\nhost localhost\nport {getattr(server.ports, port)}\nfrom {alice.address}\nauth on\n"
        f'user {alice.address}\npassword "{alice.password}"\ntls on\ntls_trust_file {server.authority.file}\n'
        f"tls_starttls {'on' if port == 'submission' else 'off'}\n",
    )
    run(tmp_path, msmtp, "-C", settings, bob.address, stdin=letter(alice, bob))
    assert_arrived(server, alice, bob)


def test_msmtp_asks_for_a_report_and_gets_it(server: ServerProcess, alice: User, bob: User, tmp_path: Path) -> None:
    msmtp = require_program("msmtp")
    settings = private_file(
        tmp_path,
        "msmtprc",
        f"account default\nhost localhost\nport {server.ports.submissions}\nfrom {alice.address}\nauth on\n"
        f'user {alice.address}\npassword "{alice.password}"\ntls on\ntls_trust_file {server.authority.file}\n'
        "tls_starttls off\ndsn_notify success,failure\ndsn_return headers\n",
    )
    run(tmp_path, msmtp, "-C", settings, bob.address, stdin=letter(alice, bob))
    assert_arrived(server, alice, bob)
    [report] = fetch(server, alice)
    assert b"Final-Recipient: rfc822; " + bob.address.encode() + b"\r\nAction: delivered\r\n" in report.octets


def test_mutt_sends_with_an_attachment(server: ServerProcess, alice: User, bob: User, tmp_path: Path) -> None:
    mutt = require_program("mutt")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "attached.txt").write_text("the attachment\n")
    name = alice.address.replace("@", "%40")
    settings = private_file(
        tmp_path,
        "muttrc",
        f'set from="{alice.address}" use_envelope_from=yes envelope_from_address="{alice.address}" copy=no\n'
        f'set tmpdir="{tmp_path}/tmp" ssl_starttls=yes ssl_force_tls=yes charset="utf-8" send_charset="utf-8"\n'
        f'set certificate_file="{server.authority.file}" ssl_ca_certificates_file="{server.authority.file}"\n'
        f'set smtp_url="smtp://{name}@localhost:{server.ports.submission}/" smtp_pass="{alice.password}"\n',
    )
    command = [mutt, "-n", "-F", settings, "-s", "by mutt", "-a", "attached.txt", "--", bob.address]
    run(tmp_path, *command, stdin=BODY.encode())
    [message] = fetch(server, bob)
    assert b"Subject: by mutt\r\n" in message.octets
    assert b"the attachment\r\n" in message.octets


# ---- fetching


def test_curl_lists_and_fetches(server: ServerProcess, alice: User, bob: User, tmp_path: Path) -> None:
    curl = require_program("curl")
    give(server, alice, bob, 2)
    for scheme, port in (("pop3", server.ports.pop3), ("pop3s", server.ports.pop3s)):
        url = f"{scheme}://localhost:{port}/"
        options = ["--silent", "--show-error", "--ssl-reqd", "--cacert", str(server.authority.file)]
        options += ["--user", f"{bob.address}:{bob.password}"]
        messages = fetch(server, bob)
        sizes = [line.split()[1] for line in run(tmp_path, curl, *options, url).splitlines()]
        assert [int(size) for size in sizes] == [message.size for message in messages]
        assert run(tmp_path, curl, *options, f"{url}2") == messages[1].octets


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_mpop_fetches_pipelined_and_deletes(
    server: ServerProcess, alice: User, bob: User, tmp_path: Path, port: str
) -> None:
    mpop = require_program("mpop")
    give(server, alice, bob, 8)
    for folder in ("new", "cur", "tmp"):
        (tmp_path / "inbox" / folder).mkdir(parents=True)
    settings = private_file(
        tmp_path,
        "mpoprc",
        f"account default\nhost localhost\nport {getattr(server.ports, port)}\nuser {bob.address}\n"
        f'password "{bob.password}"\ntls on\ntls_trust_file {server.authority.file}\nkeep off\n'
        f"tls_starttls {'on' if port == 'pop3' else 'off'}\ndelivery maildir {tmp_path}/inbox\n",
    )
    run(tmp_path, mpop, "-C", settings)
    fetched = list((tmp_path / "inbox" / "new").iterdir())
    assert len(fetched) == 8
    for file in fetched:
        assert_same(server, bob, file.read_bytes())
    assert server.stored(bob) == []


def test_fetchmail_keeps_mail_and_fetches_each_once(
    server: ServerProcess, alice: User, bob: User, tmp_path: Path
) -> None:
    fetchmail = require_program("fetchmail")
    give(server, alice, bob, 2)
    settings = private_file(
        tmp_path,
        "fetchmailrc",
        f"poll localhost protocol POP3 service {server.ports.pop3} uidl\n"
        f'user "{bob.address}" password "{bob.password}" sslproto "TLS1+" sslcertck '
        f'sslcertfile "{server.authority.file}" keep mda "cat >> {tmp_path}/fetched"\n',
    )
    command = [fetchmail, "--nosyslog", "--nodetach", "-f", settings, "-i", str(tmp_path / "ids")]
    run(tmp_path, *command)
    fetched = (tmp_path / "fetched").read_bytes()
    assert_same(server, bob, fetched)
    assert fetched.count(b"Subject: by a real client") == 2
    nothing_new = subprocess.run(
        command, capture_output=True, check=False, timeout=60, env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    )
    assert nothing_new.returncode == 1, nothing_new  # fetchmail's word for "no new mail"
    assert (tmp_path / "fetched").read_bytes() == fetched
    assert len(server.stored(bob)) == 2


def test_getmail_fetches_and_deletes(server: ServerProcess, alice: User, bob: User, tmp_path: Path) -> None:
    getmail = require_program("getmail", "getmail6")
    give(server, alice, bob, 2)
    settings = private_file(
        tmp_path,
        "getmailrc",
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {server.ports.pop3s}\n"
        f"username = {bob.address}\npassword = {bob.password}\nca_certs = {server.authority.file}\n"
        f'[destination]\ntype = MDA_external\npath = /bin/sh\narguments = ("-c", "cat >> {tmp_path}/fetched")\n'
        "allow_root_commands = true\n"
        "[options]\ndelete = true\nread_all = false\nverbose = 1\n",
    )
    run(tmp_path, getmail, "--getmaildir", str(tmp_path), "--rcfile", settings)
    fetched = (tmp_path / "fetched").read_bytes()
    assert fetched.count(BODY.encode()) == fetched.count(b"Subject: by a real client\n") == 2
    assert server.stored(bob) == []


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_mutt_fetches(server: ServerProcess, alice: User, bob: User, tmp_path: Path, port: str) -> None:
    mutt = require_program("mutt")
    give(server, alice, bob)
    copy = tmp_path / "copy"
    name = bob.address.replace("@", "%40")
    url = f"{port.replace('3', '')}://{name}@localhost:{getattr(server.ports, port)}/"
    settings = private_file(
        tmp_path,
        "muttrc",
        f'set folder="{tmp_path}" tmpdir="{tmp_path}" pop_pass="{bob.password}" ssl_starttls=yes ssl_force_tls=yes\n'
        f'set certificate_file="{server.authority.file}" ssl_ca_certificates_file="{server.authority.file}"\n'
        "set confirmappend=no confirmcreate=no copy=no wait_key=no delete=no mbox_type=mbox beep=no\n"
        f'push "<copy-message>{copy}<enter><exit>"\n',
    )
    environment = {"TERM": "xterm", "HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    screen = Terminal.run([mutt, "-n", "-F", settings, "-f", url], environment)
    assert copy.exists(), screen
    # in an mbox file, "From " at a line's start is quoted
    assert_same(server, bob, copy.read_bytes().replace(b"\n>From here", b"\nFrom here"))
