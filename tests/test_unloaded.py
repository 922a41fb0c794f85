"""What a server does not use is not loaded: libraries of a web page, of filters and of reports take megabytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

HOUSE = """
import sys
from twisted.internet import reactor
from twisted_mail.auth.recent import RecentLogins
from twisted_mail.auth.throttle import Throttle
from twisted_mail.committing.committer import CommitterThread
from twisted_mail.config import load
from twisted_mail.filtering import check_filters
from twisted_mail.mailserver import load_what_serves
from twisted_mail.neighbours import Neighbours
from twisted_mail.ownership import make_data_directory
from twisted_mail.protocols.limits import LocalCounts
from twisted_mail.smarthosts import read_routes

assert "twisted_mail.service" not in sys.modules, "the parent of workers has loaded what serves"
config = load("mailserver.toml")
make_data_directory(config)
check_filters(config, reactor)
load_what_serves(config)
early = set(sys.modules)
from twisted_mail.service import House

committer = CommitterThread(reactor)
neighbours = Neighbours(committer, LocalCounts(), Throttle(), RecentLogins(reactor, bytes(32)), leads=True)
House(config, None, read_routes(config), reactor, neighbours)
print(*sys.modules, sep="\\n", end="\\n\\n")
print(*sys.modules.keys() - early, sep="\\n")
"""
"""Starts as the server does whose configuration lies in the current folder, and builds all its objects.

Prints the modules that are loaded, then those of them that were not when the process gave up its rights.
"""

BARE = '[listen]\nsmtp = ["tcp:0"]\nsubmission = []\npop3 = []\nweb = []\nhttps = []\n[relay]\nenabled = false\n'
RELAYING = BARE.replace("enabled = false", "enabled = true\ndane = false")
FEATURES = (
    (BARE.replace("web = []", 'web = ["tcp:0"]'), ("twisted.web.server", "segno", "twisted_mail.webservice")),
    (RELAYING, ("twisted_mail.outgoing", "twisted_mail.smtp.client")),
    (BARE + '[checks]\nreports_from = "postmaster@example.org"\n', ("email.headerregistry", "twisted.web.client")),
    (BARE + '[filters.m]\nkind = "milter"\nendpoint = "unix:/run/m"\n', ("twisted_mail.policy.milter.asked",)),
    (BARE + '[filters.r]\nkind = "rspamd"\nendpoint = "unix:/run/r"\n', ("twisted_mail.policy.filters.rspamd",)),
)
"""Configuration -> what it needs, and one without does not."""


class UnloadedTests(SynchronousTestCase):
    def loaded(self, settings: str) -> tuple[set[str], set[str]]:
        """All modules, and those that were loaded late."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "mailserver.toml").write_text(f'hostname = "mail.example.org"\ndata = "data"\n{settings}')
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", HOUSE], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
        )
        self.assertEqual(0, done.returncode, done.stderr)
        everything, late = (set(part.split()) for part in done.stdout.split("\n\n"))
        return everything, late

    def test_server_loads_what_its_configuration_needs_and_no_more(self) -> None:
        bare, _ = self.loaded(BARE)
        for settings, modules in FEATURES:
            there, late = self.loaded(settings)
            for module in modules:
                self.assertIn(module, there, settings)
                self.assertNotIn(module, bare)
            self.assertEqual(set(), late, f"loaded with the rights that are left: {settings}")
