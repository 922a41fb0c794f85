"""The web listeners, put together: which page stands where.  In one process of the server only."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from twisted_mail.config import Config
from twisted_mail.networks import Networks
from twisted_mail.protocols.http import WebOptions, WebSite
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.tls import Certificates
from twisted_mail.web.layout import STYLE
from twisted_mail.web.pages import Page, Pages
from twisted_mail.web.start import StartPage


class WebService:
    """All pages; `factories` has one for each web service of [listen]."""

    def __init__(
        self, config: Config, certificates: Certificates | None, limits: ConnectionLimits, clock: IReactorTime
    ) -> None:
        self._config = config
        options = WebOptions(limits, Networks(config.proxy.trusted), clock)
        root = Pages(self._table())
        self.factories = {"web": WebSite(root, options)}
        if certificates is not None:
            self.factories["https"] = WebSite(root, options, certificates)

    def _table(self) -> Mapping[str, IResource]:
        """Path -> what stands there; a path that ends in / stands for all below it (web/pages.py)."""
        return {
            "/": Page(get=StartPage(self._config.hostname).show),
            "/style.css": Page(get=STYLE.show),
        }
