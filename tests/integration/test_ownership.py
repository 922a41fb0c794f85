"""Root prepares, somebody else runs the server: no file is left that the server could not use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.integration.process import DOMAIN, FAULTS, PASSWORD, ServerProcess, User, free_port, program
from tests.integration.requirements import NOBODY, require_root
from tests.integration.terminal import Terminal
from tests.integration.wire import fetch, send_exactly

NewServer = Callable[..., ServerProcess]
AS_NOBODY = ("--uid", str(NOBODY), "--gid", str(NOBODY), "--pidfile=")


def test_accounts_that_root_made_before_the_first_start_are_the_servers(new_server: NewServer) -> None:
    require_root()
    server = new_server()
    server.admin("domain", "add", DOMAIN)
    server.admin("account", "add", f"alice@{DOMAIN}", "--password-stdin", stdin=f"{PASSWORD}\n")
    server.twistd_options = AS_NOBODY
    server.start()
    alice = User(f"alice@{DOMAIN}")
    assert send_exactly(server, b"Subject: a letter\r\n\r\nbody\r\n", alice).startswith("250 ")
    assert len(fetch(server, alice)) == 1
    server.admin("account", "passwd", alice.address, "--password-stdin", stdin="another\n")
    server.stop()
    assert {path.stat().st_uid for path in (server.maildirs, *server.maildirs.rglob("*"))} == {NOBODY}


def test_a_data_directory_of_somebody_else_is_one_line(new_server: NewServer) -> None:
    require_root()
    server = new_server()
    (server.maildirs / ".server").mkdir(parents=True, mode=0o700)
    os.chown(server.maildirs / ".server", 1, 1)
    server.twistd_options = AS_NOBODY
    assert server.launch().wait(30) == 1
    assert server.log_text().count("\n") == 1
    assert f"chown -R {NOBODY}:{NOBODY} {server.maildirs}" in server.log_text()


def test_demo_mode_of_root_for_somebody_else_shows_its_page(new_server: NewServer) -> None:
    require_root()
    folder: Path = new_server().folder / "demo"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "MAILSERVER_CONFIG"}
    terminal = Terminal([program("twistd"), "-n", *AS_NOBODY, "mailserver"], environment, folder)
    try:
        page = terminal.read_until("is ready")
        assert "SHA-256" in page
        os.kill(terminal.process.pid, signal.SIGTERM)
        assert not FAULTS.search(terminal.read_until(""))
        assert {path.stat().st_uid for path in folder.rglob("*")} == {NOBODY}
    finally:
        terminal.close()


def test_the_certificate_that_the_server_gets_itself_is_its_own_from_the_start(new_server: NewServer) -> None:
    require_root()
    server = new_server()
    server.web_ports = {"web": free_port()}
    server.configure(f'[tls]\nacme = "https://localhost:{free_port()}/nobody-answers"\n')
    server.twistd_options = AS_NOBODY
    server.start()
    server.stop()
    made = [*server.maildirs.glob(".server/tls/acme/*"), server.maildirs / ".server" / "keys"]
    assert {path.name for path in made} == {"fullchain.pem", "privkey.pem", "keys"}
    assert {path.stat().st_uid for path in made} == {NOBODY}
