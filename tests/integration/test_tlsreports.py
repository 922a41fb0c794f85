"""Reports about TLS between two servers of ours: one meets a wrong certificate, the other hears of it the next day."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from queue import Queue

from tests.integration.certificate import Authority
from tests.integration.process import ServerProcess
from tests.integration.test_mtasts import DOMAIN, THERE, publish, start
from tests.integration.test_mtasts import there as there
from tests.integration.test_mtasts import zones as zones
from tests.integration.test_outgoing import CAROL, send, wait_for_mail
from tests.integration.zones import Zones
from twisted_mail.policy.reportmail import attached_documents


@contextlib.contextmanager
def collector(authority: Authority, folder: Path) -> Iterator[Queue[tuple[str, str, bytes]]]:
    """An HTTPS server at THERE, port 8443: path, content type and content of what is posted to it."""
    posted: Queue[tuple[str, str, bytes]] = Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            posted.put((self.path, self.headers["Content-Type"], content))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *about: object) -> None:
            pass

    authority.issue(folder, f"tls.{DOMAIN}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    server = http.server.ThreadingHTTPServer((THERE, 8443), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_owner_of_a_domain_reads_how_tls_went_though_it_still_fails(
    zones: Zones, there: ServerProcess, new_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    publish(there, zones, "testing")
    there.authority.issue(there.folder / "tls", f"mta-sts.{DOMAIN}")
    zones.records[f"_smtp._tls.{DOMAIN}"] = {
        "TXT": [f"v=TLSRPTv1; rua=mailto:{CAROL.address},https://tls.{DOMAIN}:8443/v1"]
    }
    zones.records[f"tls.{DOMAIN}"] = {"A": [THERE]}
    there.start()
    reports = '[checks]\nreports_from = "postmaster@example.org"\n'
    here = new_server(f'{zones.settings}\n[relay]\nretry = ["1 second"]\n{reports}', accounts=2)
    send(here, start(here), CAROL.address)
    wait_for_mail(there, CAROL)
    here.stop()
    with closing(sqlite3.connect(here.maildirs / ".server" / "tlsrpt.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE result SET day = day - 1")  # the day is over
    with collector(there.authority, tmp_path) as posted:
        start(here)
        text = wait_for_mail(there, CAROL, 2)
        path, kind, content = posted.get(timeout=20)
    assert (path, kind) == ("/v1", "application/tlsrpt+gzip")
    assert list(attached_documents(text)) == [gzip.decompress(content)]
    assert b"\r\nTLS-Required: No\r\n" in text
    assert text.count(b"\r\nDKIM-Signature: ") == 2
    assert b" d=example.org;" in text
    (row,) = json.loads(there.admin("tlsrpt", "reports", CAROL.address, "--json").stdout)
    assert (row["reporter"], row["domain"], row["policy"]) == ("mail.example.org", DOMAIN, "sts")
    assert (row["successes"], row["failures"], row["reasons"]) == (0, 1, ["certificate-host-mismatch 1"])
    here.stop()
    with closing(sqlite3.connect(here.maildirs / ".server" / "tlsrpt.sqlite")) as database:
        assert database.execute("SELECT * FROM result").fetchall() == []  # nor was the report's own way counted
