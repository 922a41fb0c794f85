"""The real rspamd, asked over HTTP and as a milter: it finds the test pattern for spam (GTUBE) and nothing else, and
agrees with our signatures."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.milters import daemon
from tests.integration.process import ServerProcess, answers, free_port
from tests.integration.requirements import require_program
from tests.integration.wire import fetch, send_exactly
from tests.integration.zones import Zones
from tests.policy.dkim.zones import on_the_wire, signed, zone_of

NewServer = Callable[..., ServerProcess]

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
LETTER = b"From: <a@b.example>\r\nSubject: hello\r\n\r\nHello\r\n"


@pytest.fixture
def zones() -> Iterator[Zones]:
    keys = zone_of("example.org").records.items()
    with Zones({name: {"TXT": [text.decode() for text in texts]} for name, texts in keys}) as running:
        yield running


@pytest.fixture
def ports(tmp_path: Path, zones: Zones) -> Iterator[tuple[int, int]]:
    """Those at which it speaks HTTP, and as a milter."""
    program, http, milter = require_program("rspamd"), free_port(), free_port()
    (tmp_path / "conf").write_text(
        f'options {{ pidfile = "{tmp_path}/pid"; filters = "dkim";\n'
        f'  dns {{ nameserver = ["127.0.0.1:{zones.port}"]; timeout = 1s; retransmits = 1; }} }}\n'
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


def test_rspamd_agrees_with_our_signatures(ports: tuple[int, int]) -> None:
    def symbols(text: bytes) -> dict[str, dict[str, object]]:
        headers = {"IP": "192.0.2.1", "From": "a@example.org"}
        request = urllib.request.Request(f"http://127.0.0.1:{ports[0]}/checkv2", on_the_wire(text), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, dict[str, object]] = json.load(answer)["symbols"]
        return found

    letter = signed(b"From: <a@example.org>\nSubject: hello\n\nHello\n", now=time.time())
    assert symbols(letter)["R_DKIM_ALLOW"]["options"] == ["example.org:s=ed", "example.org:s=rsa"]
    assert symbols(letter.replace(b"Hello", b"Other"))["R_DKIM_REJECT"]["options"] == [
        "example.org:s=ed",
        "example.org:s=rsa",
    ]
