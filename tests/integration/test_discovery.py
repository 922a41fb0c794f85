"""Thunderbird finds the settings of an address at the real server, by its own means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.accountsetup import AccountSetup
from tests.integration.process import DOMAIN, ServerProcess, free_port


@pytest.mark.slow
def test_thunderbird_finds_all_servers_in_our_order(new_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    server = new_server(accounts=1)
    server.web_ports = {"web": free_port()}
    server.configure()
    server.start()
    found = AccountSetup(tmp_path, server.web_ports["web"]).find(f"alice@{DOMAIN}")
    assert "error" not in found, f"{found}\n{server.log_text()}"
    ports = server.ports
    # Thunderbird's numbers: socketType 3 is TLS, 2 is STARTTLS; auth 3 is a normal password
    login = {"hostname": "mail.example.org", "username": "%EMAILADDRESS%", "auth": 3}
    assert found["incoming"] == [
        {"type": "pop3", "port": ports.pop3s, "socketType": 3} | login,
        {"type": "pop3", "port": ports.pop3, "socketType": 2} | login,
    ]
    assert found["outgoing"] == [
        {"type": "smtp", "port": ports.submissions, "socketType": 3} | login,
        {"type": "smtp", "port": ports.submission, "socketType": 2} | login,
    ]
