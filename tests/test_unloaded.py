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
from twisted_mail.config import load
from twisted_mail.mailserver import MailServer
from twisted_mail.neighbours import Neighbours
from twisted_mail.ownership import make_data_directory
from twisted_mail.protocols.limits import LocalCounts
assert "twisted_mail.service" not in sys.modules, "the parent of workers has loaded what serves"
from twisted_mail.service import House
from twisted_mail.smarthosts import read_routes

config = load("mailserver.toml")
make_data_directory(config)
neighbours = Neighbours(LocalCounts(), Throttle(), RecentLogins(reactor, bytes(32)), leads=True)
House(config, None, read_routes(config), reactor, neighbours)
print(*sys.modules, sep="\\n")
"""
"""Builds all objects of the server whose configuration lies in the current folder."""

BARE = '[listen]\nsmtp = ["tcp:0"]\nsubmission = []\npop3 = []\nweb = []\nhttps = []\n[relay]\nenabled = false\n'
FEATURES = (
    (BARE.replace("web = []", 'web = ["tcp:0"]'), ("twisted.web.server", "segno", "twisted_mail.webservice")),
    (BARE.replace("enabled = false", "enabled = true"), ("twisted_mail.outgoing", "twisted_mail.smtp.client")),
    (BARE + '[checks]\nreports_from = "postmaster@example.org"\n', ("email.headerregistry", "twisted.web.client")),
    (BARE + '[filters.m]\nkind = "milter"\nendpoint = "unix:/run/m"\n', ("twisted_mail.policy.milter.asked",)),
    (BARE + '[filters.r]\nkind = "rspamd"\nendpoint = "unix:/run/r"\n', ("twisted_mail.policy.filters.rspamd",)),
)
"""Configuration -> what it needs, and one without does not."""


class UnloadedTests(SynchronousTestCase):
    def loaded(self, settings: str) -> set[str]:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "mailserver.toml").write_text(f'hostname = "mail.example.org"\ndata = "data"\n{settings}')
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", HOUSE], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
        )
        self.assertEqual(0, done.returncode, done.stderr)
        return set(done.stdout.split("\n"))

    def test_server_loads_what_its_configuration_needs_and_no_more(self) -> None:
        bare = self.loaded(BARE)
        for settings, modules in FEATURES:
            there = self.loaded(settings)
            for module in modules:
                self.assertIn(module, there, settings)
                self.assertNotIn(module, bare)
