"""The real rspamd, asked over HTTP and as a milter: it finds the test pattern for spam (GTUBE) and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.milters import daemon
from tests.integration.process import ServerProcess, answers, free_port
from tests.integration.requirements import require_program
from tests.integration.wire import fetch, send_exactly

NewServer = Callable[..., ServerProcess]

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
LETTER = b"From: <a@b.example>\r\nSubject: hello\r\n\r\nHello\r\n"


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Those at which it speaks HTTP, and as a milter."""
    program, http, milter = require_program("rspamd"), free_port(), free_port()
    (tmp_path / "conf").write_text(
        f'options {{ pidfile = "{tmp_path}/pid";\n'
        '  dns { nameserver = ["127.0.0.1"]; timeout = 0.1s; retransmits = 1; } }\n'
        'logging { type = "console"; level = "info"; }\n'
        'metric { name = "default"; actions { reject = 15; } }\n'
        f'worker "normal" {{ bind_socket = "127.0.0.1:{http}"; count = 1; }}\n'
        f'worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{milter}"; milter = yes; count = 1; timeout = 60s;\n'
        '  upstream "local" { self_scan = yes; default = yes; } }\n'
    )
    command = [program, "-f", "-i", "-c", str(tmp_path / "conf")]
    with daemon(command, lambda: answers(http) and answers(milter), tmp_path / "log"):
        yield http, milter


@pytest.mark.parametrize("kind", ["rspamd", "milter"])
def test_rspamd_finds_the_test_pattern(new_server: NewServer, ports: tuple[int, int], kind: str) -> None:
    endpoint = f"tcp:127.0.0.1:{ports[kind == 'milter']}"
    server = new_server(f'[filters.spam]\nkind = "{kind}"\nendpoint = "{endpoint}"\n', accounts=1)
    server.start()
    user = server.new_user()
    assert send_exactly(server, LETTER, user).startswith("250 ")
    assert send_exactly(server, LETTER + GTUBE, user).startswith("554 5.7.1 ")
    (message,) = fetch(server, user)
    assert message.octets.endswith(LETTER[LETTER.index(b"Subject") :])
    assert "the filter spam failed" not in server.log_text()
    server.stop()
