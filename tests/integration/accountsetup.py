"""Thunderbird's own account set-up, without a screen: what it makes of an address and of what it finds on the web.

A new profile in which every web request goes to one proxy, so that nothing asks the DNS; driven by Marionette, the
protocol of Mozilla's own tests, which runs JavaScript inside the program.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

from tests.integration.process import free_port
from tests.integration.requirements import require_program

STARTS_WITHIN = 90.0
"""Seconds: it is a large program, and the first start makes its databases."""
ENDS_WITHIN = 30.0

_OPTIONS = ("--headless", "--no-remote", "--marionette", "--remote-allow-system-access")

_FIND = """
const [domain, address, resolve] = arguments;
const { FetchConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/FetchConfig.sys.mjs");
const told = server => server && {
  type: server.type, hostname: server.hostname, port: server.port, socketType: server.socketType,
  auth: server.auth, username: server.username,
};
FetchConfig.fromISP(domain, address, new AbortController().signal).then(
  config => resolve({
    source: config.source,
    incoming: [config.incoming, ...config.incomingAlternatives].map(told),
    outgoing: [config.outgoing, ...config.outgoingAlternatives].map(told),
  }),
  error => resolve({ error: String(error) })
);
"""


class AccountSetup:
    """A Thunderbird that has no account yet."""

    def __init__(self, folder: Path, proxy: int) -> None:
        """*proxy*: the port that answers for the whole web, http and https."""
        self._program = require_program("thunderbird")
        self._folder = folder
        self._port = free_port()
        self._profile = folder / "profile"
        self._profile.mkdir()
        preferences: dict[str, object] = {
            "marionette.port": self._port,
            "network.proxy.type": 1,
            "network.proxy.http": "127.0.0.1",
            "network.proxy.http_port": proxy,
            "network.proxy.ssl": "127.0.0.1",
            "network.proxy.ssl_port": proxy,
            "app.update.enabled": False,
            "datareporting.policy.dataSubmissionEnabled": False,
            "mail.provider.suppress_dialog_on_startup": True,
            "mail.shell.checkDefaultClient": False,
            "mailnews.start_page.enabled": False,
            "network.captive-portal-service.enabled": False,
            "network.connectivity-service.enabled": False,
        }
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
        (self._profile / "prefs.js").write_text("\n".join(lines) + "\n")

    def find(self, address: str) -> dict[str, object]:
        """The settings that it finds at the provider of *address*."""
        environment = {"HOME": str(self._folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "MOZ_HEADLESS": "1"}
        with (self._folder / "output").open("ab") as output:
            process = subprocess.Popen(
                [self._program, *_OPTIONS, "--profile", str(self._profile)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=self._folder,
            )
        try:
            with self._connected(process) as connection:
                marionette = _Marionette(connection)
                marionette.ask("WebDriver:NewSession", {})
                marionette.ask("Marionette:SetContext", {"value": "chrome"})
                arguments = {"script": _FIND, "args": [address.partition("@")[2], address], "scriptTimeout": 60_000}
                found = marionette.ask("WebDriver:ExecuteAsyncScript", arguments)
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert isinstance(found, dict)
        return dict(found["value"])

    def _connected(self, process: subprocess.Popen[bytes]) -> socket.socket:
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            assert process.poll() is None, f"Thunderbird ended:\n{(self._folder / 'output').read_text()[-3000:]}"
            assert time.monotonic() < deadline, "Thunderbird does not listen for commands"
            try:
                return socket.create_connection(("127.0.0.1", self._port), timeout=STARTS_WITHIN)
            except ConnectionRefusedError:
                time.sleep(0.1)


class _Marionette:
    """The wire: the length, a colon, and JSON."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")
        self._asked = 0
        self._read()  # its greeting

    def ask(self, command: str, parameters: dict[str, object]) -> object:
        self._asked += 1
        message = json.dumps([0, self._asked, command, parameters]).encode()
        self._file.write(b"%d:%b" % (len(message), message))
        self._file.flush()
        reply = self._read()
        assert isinstance(reply, list)
        _, number, error, result = reply
        assert (number, error) == (self._asked, None), error
        return result

    def _read(self) -> object:
        digits = b""
        while (octet := self._file.read(1)) != b":":
            assert octet, "Thunderbird closed the connection"
            digits += octet
        return json.loads(self._file.read(int(digits)))
