"""The web listeners, put together: which page stands where.  In one process of the server only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from twisted.cred.portal import Portal
from twisted.web.resource import IResource

from twisted_mail import demo
from twisted_mail.auth.directory import Directory
from twisted_mail.config import Config
from twisted_mail.monitoring import Monitoring
from twisted_mail.networks import Networks
from twisted_mail.protocols.http import WebOptions, WebSite
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.tls import Certificates
from twisted_mail.securing import published
from twisted_mail.web import capture, challengepage, mtasts
from twisted_mail.web.capture import CapturePages, Mailbox
from twisted_mail.web.challengepage import ChallengePage
from twisted_mail.web.challenges import Challenges
from twisted_mail.web.console import Entrance, console
from twisted_mail.web.discovery import HELP, POX, Discovery
from twisted_mail.web.layout import STYLE
from twisted_mail.web.metrics import Watching
from twisted_mail.web.mtasts import PolicyPage
from twisted_mail.web.pages import Page, Pages
from twisted_mail.web.services import Ports, Services, distinct, mail_servers
from twisted_mail.web.start import Demo, StartPage

_LINKS = (("/account", "Your account: log in, change what is yours; for administrators, everything"),)


class WebService:
    """All pages; `factories` has one for each web service of [listen]."""

    def __init__(
        self,
        config: Config,
        users: Directory,
        certificates: Certificates | None,
        challenges: Challenges,
        people: Portal,
        monitoring: Monitoring,
        captured: Mailbox | None,
        limits: ConnectionLimits,
        clock: Any,
    ) -> None:
        """*users*: whose domains are told their settings; *people*: where somebody logs in, for an IOwnAffairs.

        *captured*: what capture mode shows, None without it.
        """
        self._config = config
        self._users = users
        self._certificates = certificates
        self._challenges = challenges
        self._people = people
        self._captured = captured
        self._clock = clock
        allowed = Networks(config.metrics.allowed)
        self._watching = Watching(allowed, monitoring.metrics, monitoring.problems)
        options = WebOptions(limits, Networks(config.proxy.trusted), clock)
        root = Pages(self._table())
        self.factories = {"web": WebSite(root, options)}
        if certificates is not None:
            self.factories["https"] = WebSite(root, options, certificates)

    def _table(self) -> Mapping[str, IResource]:
        """Path -> what stands there; a path that ends in / stands for all below it (web/pages.py)."""
        services = services_of(self._config)
        certificates = self._certificates
        discovery = Discovery(
            services,
            self._users.is_local,
            lambda: certificates.identity if certificates is not None else None,
            _https(self._config),
        )
        thunderbird = Page(get=discovery.thunderbird)
        return {
            "/": Page(get=StartPage(services, _demo(self._config), self._links()).show),
            "/style.css": Page(get=STYLE.show),
            "/mail/config-v1.1.xml": thunderbird,
            "/.well-known/autoconfig/mail/config-v1.1.xml": thunderbird,
            POX: Page(get=discovery.outlook_redirect, post=discovery.outlook),
            "/autodiscover/autodiscover.json/": Page(get=discovery.outlook_pointer),
            HELP: Page(get=discovery.help),
            "/metrics": Page(get=self._watching.show_metrics),
            "/health": Page(get=self._watching.show_health),
            mtasts.PATH: Page(get=PolicyPage(partial(published, self._config, self._users)).show),
            challengepage.PATH: Page(get=ChallengePage(self._challenges).show),
            **self._console(),
            **(CapturePages(self._captured).table if self._captured is not None else {}),
        }

    def _links(self) -> Sequence[tuple[str, str]]:
        captured = (capture.PAGE, "Captured mail: what your programs have sent")
        return (captured, *_LINKS) if self._captured is not None else _LINKS

    def _console(self) -> Mapping[str, IResource]:
        config = self._config
        return console(Entrance(self._people, _https(config), config.auth.allow_plaintext), self._clock)


def services_of(config: Config) -> Services:
    """What mail programs connect to, as the configuration has it."""
    has_tls = config.tls.certificate is not None

    def servers(all_tls: str, plain: str) -> Any:
        ports = Ports(_ports(config, all_tls), _ports(config, plain))
        return mail_servers(config.hostname, ports, has_tls=has_tls, allow_plaintext=config.auth.allow_plaintext)

    return Services(config.hostname, servers("pop3s", "pop3"), servers("submissions", "submission"))


def _ports(config: Config, service: str) -> tuple[int, ...]:
    return distinct(address.port for address in getattr(config.listen, service))


def _https(config: Config) -> str:
    """The address of our own https listener; empty: there is none that others could reach."""
    ports = _ports(config, "https") if config.tls.certificate is not None else ()
    if not ports:
        return ""
    return f"https://{config.hostname}" if 443 in ports else f"https://{config.hostname}:{ports[0]}"


def _demo(config: Config) -> Demo | None:
    return Demo(str(demo.ACCOUNT), config.data, _ports(config, "smtp")) if config.file is None else None
