"""The real clamd, with one signature of the test's own: what matches is refused, also in a large message.

Its files come from the folder that MAILSERVER_TEST_UNPACKED names (unpacked.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.milters import daemon
from tests.integration.process import ServerProcess, answers, free_port
from tests.integration.unpacked import UNPACKED
from tests.integration.wire import fetch, send_exactly

LETTER = b"From: <a@b.example>\r\nSubject: hello\r\n\r\n" + b"a line of a large message\r\n" * 30_000
VIRUS = b"what the signature of the test is for"


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    unpacked = Path(os.environ.get(UNPACKED, "/nowhere"))
    if not (unpacked / "usr/sbin/clamd").exists():
        pytest.skip(f"clamd is not there ({UNPACKED} names no folder with it)")
    signatures = tmp_path / "signatures"
    signatures.mkdir()
    (signatures / "test.ndb").write_text(f"Test.Pattern:0:*:{VIRUS.hex()}\n")
    port = free_port()
    (tmp_path / "conf").write_text(
        f"DatabaseDirectory {signatures}\nTCPSocket {port}\nTCPAddr 127.0.0.1\nForeground yes\nUser root\n"
    )
    libraries = f"LD_LIBRARY_PATH={unpacked}/usr/lib/x86_64-linux-gnu"
    command = ["env", libraries, str(unpacked / "usr/sbin/clamd"), "-c", str(tmp_path / "conf")]
    with daemon(command, lambda: answers(port), tmp_path / "log"):
        yield f"tcp:127.0.0.1:{port}"


def test_clamd_finds_its_signature_and_nothing_else(new_server: Callable[..., ServerProcess], endpoint: str) -> None:
    server = new_server(f'[filters.virus]\nkind = "clamav"\nendpoint = "{endpoint}"\n', accounts=1)
    server.start()
    user = server.new_user()
    said = send_exactly(server, LETTER + VIRUS + b"\r\n", user)
    assert said == "554 5.7.1 A virus is in this message: Test.Pattern.UNOFFICIAL"
    assert send_exactly(server, LETTER, user).startswith("250 ")
    (message,) = fetch(server, user)
    assert message.octets.endswith(LETTER[-1000:])
    server.stop()
