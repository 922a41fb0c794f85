"""[relay.domains] and [relay.senders] in the real server: the patience of a domain, the smarthost of a sender."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.integration.process import PASSWORD, ServerProcess, User, free_port
from tests.integration.test_outgoing import CAROL, send
from tests.integration.test_send import wait_for_mail

NewServer = Callable[..., ServerProcess]


def provider(new_server: NewServer, user: str) -> ServerProcess:
    """A server that takes mail from *user* after a login by SCRAM, and has a mailbox for it."""
    server = new_server('[auth]\nmechanisms = ["SCRAM-SHA-256"]\n')
    for address in (user, CAROL.address):
        server.admin("domain", "add", address.partition("@")[2])
        server.admin("account", "add", address, "--password-stdin", stdin=f"{PASSWORD}\n")
    server.start()
    return server


def test_domain_has_its_own_patience(new_server: NewServer) -> None:
    server = new_server(
        f'[relay]\nsmarthost = "tcp:127.0.0.1:{free_port()}"\n'
        '[relay.domains."hasty.example"]\nretry = ["1 second"]\ngive_up_after = "2 seconds"\n',
        accounts=1,
    )
    server.start()
    alice = server.new_user()
    send(server, alice, "bob@hasty.example", "bob@patient.example")
    (report,) = wait_for_mail(server, alice)
    assert re.findall(rb"^Final-Recipient: rfc822; (\S+)\r$", report, re.MULTILINE) == [b"bob@hasty.example"]
    assert "bob@patient.example" in server.admin("queue", "list").stdout
    server.admin("queue", "drop", "--all")


def test_sender_has_its_own_smarthost_and_logs_in_there(new_server: NewServer, tmp_path: Path) -> None:
    alice = User("user0@example.org")
    other = provider(new_server, alice.address)
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    server = new_server(
        f'[relay]\nsmarthost = "tcp:127.0.0.1:{free_port()}"\n'
        f'[relay.senders."example.org"]\nsmarthost = "tcp:127.0.0.1:{other.ports.submission}"\n'
        f'smarthost_user = "{alice.address}"\nsmarthost_password_file = "{password}"\n',
        accounts=1,
    )
    server.start()
    assert server.new_user() == alice
    send(server, alice, CAROL.address)
    (got,) = wait_for_mail(other, CAROL)
    assert b"with ESMTPSA id " in got  # TLS, and logged in
    assert server.admin("queue", "list").stdout == "no messages wait\n"
