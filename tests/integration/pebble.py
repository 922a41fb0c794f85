"""An ACME authority on this machine: Pebble, Let's Encrypt's small one for tests, and the DNS server that it asks."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.integration.certificate import Authority
from tests.integration.process import answers, free_port
from tests.integration.requirements import require_program

STARTS_WITHIN = 20.0
"""Seconds."""


class Pebble:
    """Looks at names on 127.0.0.1, whatever they are, at the ports it is told."""

    def __init__(self, folder: Path, authority: Authority, *, http: int, tls: int) -> None:
        """*authority* certifies its own web server; *http* and *tls*: where it looks instead of ports 80 and 443."""
        self._authority = authority
        self._port, self._management, dns = free_port(), free_port(), free_port()
        pebble, names = require_program("pebble"), require_program("pebble-challtestsrv", "pebble")
        authority.issue(folder / "pebble")
        settings = {
            "listenAddress": f"127.0.0.1:{self._port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(folder / "pebble" / "fullchain.pem"),
            "privateKey": str(folder / "pebble" / "privkey.pem"),
            "httpPort": http,
            "tlsPort": tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        config = folder / "pebble.json"
        config.write_text(json.dumps({"pebble": settings}))
        nothing = ["-http01", "", "-https01", "", "-tlsalpn01", ""]
        options = ["-defaultIPv6", "", "-defaultIPv4", "127.0.0.1", "-dns01", f"127.0.0.1:{dns}"]
        management = free_port()
        self._output = (folder / "pebble.log").open("wb")
        self._processes = [
            self._start([names, *nothing, *options, "-management", f"127.0.0.1:{management}"]),
            self._start([pebble, "-config", str(config), "-dnsserver", f"127.0.0.1:{dns}"]),
        ]
        deadline = time.monotonic() + STARTS_WITHIN
        while not all(map(answers, (management, self._management, self._port))):
            assert time.monotonic() < deadline, (folder / "pebble.log").read_text()
            time.sleep(0.05)

    @property
    def directory(self) -> str:
        return f"https://localhost:{self._port}/dir"

    def client_context(self) -> ssl.SSLContext:
        """For clients that trust what it certifies."""
        return ssl.create_default_context(cadata=self._fetch("/roots/0"))

    def _fetch(self, path: str) -> str:
        address = f"https://localhost:{self._management}{path}"
        with urllib.request.urlopen(address, timeout=20, context=self._authority.client_context()) as reply:
            return str(reply.read().decode())

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(STARTS_WITHIN)
        self._output.close()

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        # at once, and with more refused nonces than an authority ever has
        environment = {"PATH": os.environ["PATH"], "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "30"}
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, env=environment
        )
