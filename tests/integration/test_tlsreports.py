"""Reports about TLS between two servers of ours: one meets a wrong certificate, the other reads of it the next day."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

from tests.integration.process import ServerProcess
from tests.integration.test_mtasts import DOMAIN, publish, start
from tests.integration.test_mtasts import there as there
from tests.integration.test_mtasts import zones as zones
from tests.integration.test_outgoing import CAROL, send, wait_for_mail
from tests.integration.zones import Zones


def test_owner_of_a_domain_reads_how_tls_went_though_it_still_fails(
    zones: Zones, there: ServerProcess, new_server: Callable[..., ServerProcess]
) -> None:
    publish(there, zones, "testing")
    there.authority.issue(there.folder / "tls", f"mta-sts.{DOMAIN}")
    zones.records[f"_smtp._tls.{DOMAIN}"] = {"TXT": [f"v=TLSRPTv1; rua=mailto:{CAROL.address}"]}
    there.start()
    reports = '[checks]\nreports_from = "postmaster@example.org"\n'
    here = new_server(f'{zones.settings}\n[relay]\nretry = ["1 second"]\n{reports}', accounts=2)
    send(here, start(here), CAROL.address)
    wait_for_mail(there, CAROL)
    here.stop()
    with closing(sqlite3.connect(here.maildirs / ".server" / "tlsrpt.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE result SET day = day - 1")  # the day is over
    start(here)
    text = wait_for_mail(there, CAROL, 2)
    assert b"\r\nTLS-Required: No\r\n" in text
    assert text.count(b"\r\nDKIM-Signature: ") == 2
    assert b" d=example.org;" in text
    (row,) = json.loads(there.admin("tlsrpt", "reports", CAROL.address, "--json").stdout)
    assert (row["reporter"], row["domain"], row["policy"]) == ("mail.example.org", DOMAIN, "sts")
    assert (row["successes"], row["failures"], row["reasons"]) == (0, 1, ["certificate-host-mismatch 1"])
    here.stop()
    with closing(sqlite3.connect(here.maildirs / ".server" / "tlsrpt.sqlite")) as database:
        assert database.execute("SELECT * FROM result").fetchall() == []  # nor was the report's own way counted
