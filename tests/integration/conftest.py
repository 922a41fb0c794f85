"""Fixtures: one server that most tests share, and servers of their own for those that need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.certificate import Authority
from tests.integration.process import ServerProcess

ACCOUNTS = 300
"""In the shared server."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def shared_server(authority: Authority) -> Iterator[ServerProcess]:
    server = ServerProcess(authority)
    try:
        server.create_accounts(ACCOUNTS)
        server.start()
        yield server
        server.stop()
    finally:
        server.close()


@pytest.fixture
def server(shared_server: ServerProcess) -> Iterator[ServerProcess]:
    """A running server with accounts to take.  Its log must be clean after each test."""
    yield shared_server
    shared_server.assert_log_is_clean()


@pytest.fixture
def new_server(authority: Authority) -> Iterator[Callable[..., ServerProcess]]:
    """Makes servers for this test alone: `new_server(settings, accounts=N)`, not started yet."""
    servers: list[ServerProcess] = []

    def make(settings: str = "", accounts: int = 0) -> ServerProcess:
        server = ServerProcess(authority)
        servers.append(server)
        server.configure(settings)
        if accounts:
            server.create_accounts(accounts)
        return server

    try:
        yield make
        for server in servers:
            if server.is_running:
                server.stop()
    finally:
        for server in servers:
            server.close()
