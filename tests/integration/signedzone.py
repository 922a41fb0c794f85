"""A signed zone at BIND, and Unbound in front of it that checks the signatures: on loopback, with keys of the test.

with SignedZone("example.net", ["@ MX 10 mx", "mx A 192.0.2.1"], folder) as zone:
    server = new_server(zone.settings)
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import dns.exception
import dns.message
import dns.query

from tests.integration.process import free_port
from tests.integration.requirements import require_program

PATIENCE = 20.0

_NAMED = """options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  pid-file none; session-keyfile "{folder}/session.key"; recursion no; dnssec-validation no; notify no; }};
controls {{ }};
zone "{name}" {{ type primary; file "{folder}/zone.signed"; }};
"""
_UNBOUND = """server:
  interface: 127.0.0.1@{port}
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "{folder}/anchor"
  local-zone: "{name}" nodefault
remote-control:
  control-enable: no
stub-zone:
  name: "{name}"
  stub-addr: 127.0.0.1@{upstream}
"""


class SignedZone:
    """*records*: lines of a zone file.  *spoilt*: text in the signed zone -> what stands there after the signing."""

    def __init__(self, name: str, records: Sequence[str], folder: Path, spoilt: tuple[str, str] | None = None) -> None:
        self._named, self._unbound = require_program("named", "bind9"), require_program("unbound")
        require_program("dnssec-signzone", "bind9-utils")
        self._name = name
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port, self._upstream = free_port(), free_port()
        self._sign(records, spoilt)

    @property
    def settings(self) -> str:
        """The section of mailserver.toml with which a server asks the resolver."""
        return f'[dns]\nservers = ["127.0.0.1:{self.port}"]\n'

    def _sign(self, records: Sequence[str], spoilt: tuple[str, str] | None) -> None:
        soa = f"$TTL 60\n@ SOA ns.{self._name}. root.{self._name}. 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
        (self._folder / "zone").write_text(soa + "\n".join(records) + "\n")
        self._run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", self._name)
        self._run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", self._name)
        self._run("dnssec-signzone", "-q", "-S", "-x", "-o", self._name, "-f", "zone.signed", "zone")
        anchors = [line for line in (self._folder / f"dsset-{self._name}.").read_text().splitlines() if " DS" in line]
        (self._folder / "anchor").write_text("\n".join(anchors) + "\n")
        if spoilt is not None:
            signed = self._folder / "zone.signed"
            before = signed.read_text()
            assert spoilt[0] in before
            signed.write_text(before.replace(*spoilt))

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def __enter__(self) -> SignedZone:
        named, unbound = self._folder / "named.conf", self._folder / "unbound.conf"
        named.write_text(_NAMED.format(folder=self._folder, port=self._upstream, name=self._name))
        words = {"folder": self._folder, "port": self.port, "upstream": self._upstream, "name": self._name}
        unbound.write_text(_UNBOUND.format(**words))
        log = (self._folder / "log").open("wb")
        for command in ([self._named, "-g", "-c", str(named)], [self._unbound, "-d", "-c", str(unbound)]):
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        log.close()
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        query = dns.message.make_query(self._name, "SOA")
        try:
            return bool(dns.query.udp(query, "127.0.0.1", timeout=0.5, port=self.port).answer)
        except (dns.exception.DNSException, OSError):
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(PATIENCE)
