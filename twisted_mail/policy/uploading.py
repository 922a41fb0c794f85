"""Reports that go over HTTPS to where a domain's owner wants them (RFC 8460 §5.4)."""

from __future__ import annotations

from urllib.parse import urlsplit

from twisted_mail.policy.dns import Lookups
from twisted_mail.policy.reporting import ReportUpload
from twisted_mail.protocols.httpsclient import Bounds, HTTPSClient, RequestFailed

BOUNDS = Bounds(65_536, 60.0)


class Uploader:
    def __init__(self, lookups: Lookups, web: HTTPSClient) -> None:
        self._lookups = lookups
        self._web = web

    async def upload(self, report: ReportUpload) -> None:
        """Raises LookupFailed or RequestFailed: not just now."""
        host = urlsplit(report.url).hostname or ""
        addresses = [*await self._lookups.addresses(host, 4), *await self._lookups.addresses(host, 6)]
        response = await self._web.post(
            report.url, addresses, BOUNDS, report.document, {"Content-Type": report.content_type}
        )
        if not 200 <= response.code < 300:
            raise RequestFailed(f"{host} answered {response.code}")
