"""What `mailserver check` finds, for the page: in a process of its own, for it asks the network and takes its time."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.affairs import CheckReport, IChecks, Verdict
from twisted_mail.config import Config


@implementer(IChecks)
class Checks:
    """One a server: administrators see the same report."""

    log = Logger()

    def __init__(self, config: Config, reactor: Any) -> None:
        """*reactor*: with processes."""
        self._config = config
        self._reactor = reactor
        self.report = CheckReport(False, None, (), "")

    def start(self) -> None:
        if not self.report.is_running:
            self.report = CheckReport(True, self._reactor.seconds(), (), "")
            Deferred.fromCoroutine(self._run()).addErrback(self._note_fault)

    async def _run(self) -> None:
        config = self._config
        arguments = ["-m", "twisted_mail.cli", "check", "--json"]
        if config.file is not None:
            arguments += ["--config", config.file]
        # demo mode is found where its data directory is
        folder = os.path.dirname(config.data)
        out, said, _ = await getProcessOutputAndValue(
            sys.executable, arguments, env=os.environ, path=folder, reactor=self._reactor
        )
        self.report = replace(self.report, is_running=False, **_outcome(out, said))

    def _note_fault(self, failure: Any) -> None:
        self.log.failure("the checks could not be run", failure)
        self.report = replace(self.report, is_running=False, failure="The checks could not be run: the log says why.")


def _outcome(out: bytes, said: bytes) -> dict[str, Any]:
    """The verdicts, or why there are none.  What matters most goes first."""
    try:
        rows: Sequence[dict[str, str]] = json.loads(out)
        found = [Verdict(row["check"], row["level"], row["finding"], row["remedy"]) for row in rows]
    except (ValueError, KeyError, TypeError):
        return {"failure": said.decode(errors="replace").strip() or "The checks said nothing."}
    order = ["fault", "advice", "ok"]
    return {"verdicts": sorted(found, key=lambda verdict: order.index(verdict.level))}
