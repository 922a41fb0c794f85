"""Reports to the owners of other domains, put together: one kind of them in one process."""

from __future__ import annotations

import os
from typing import Any, Generic

from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.policy.counting import Counting
from twisted_mail.policy.dns import Lookups
from twisted_mail.policy.reporting import Reporting, ReportKind
from twisted_mail.policy.resultstore import R, ResultStore
from twisted_mail.policy.uploading import Uploader
from twisted_mail.protocols.httpsclient import HTTPSClient


class DomainReports(Generic[R]):
    """Every process counts; one alone sends."""

    def __init__(
        self,
        config: Config,
        name: str,
        row_class: type[R],
        kind: ReportKind[R],
        lookups: Lookups,
        disk: Blocking,
        reactor: Any,
    ) -> None:
        """*name*: of the file that all processes share; *reactor*: a clock, and what HTTPS needs."""
        self._store = ResultStore(os.path.join(config.server_folder, f"{name}.sqlite"), row_class)
        self._kind = kind
        self._uploader = Uploader(lookups, HTTPSClient(reactor))
        self._disk = disk
        self._clock = reactor
        self._reporting: Reporting[R] | None = None
        self.counting = Counting(self._store, disk, reactor)

    def start(self, target: IDeliveryTarget | None) -> None:
        """*target* takes those that are due; None: another process sends them."""
        self.counting.start()
        if target is not None:
            self._reporting = Reporting(self._store, self._kind, target, self._uploader.upload, self._disk, self._clock)
            self._reporting.start()

    def retire(self) -> None:
        """Leave the sending to another process, or to the service that has taken over."""
        reporting, self._reporting = self._reporting, None
        if reporting is not None:
            reporting.stop()

    def stop(self) -> None:
        """Blocks for the disk, a moment."""
        self.retire()
        self.counting.stop()
