"""Where mail programs and people ask for the settings of a domain.

The answers depend on the domain alone: nothing here tells whether an account exists.  A domain that is not ours gets
404 and a sentence.
"""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import segno
from twisted.logger import Logger

from twisted_mail.protocols.http import WebRequest
from twisted_mail.protocols.tls import Identity
from twisted_mail.smtp.address import Address, AddressError, parse_address, parse_domain
from twisted_mail.web import autoconfig, autodiscover, profile
from twisted_mail.web.help import HelpPage
from twisted_mail.web.pages import Answer, words
from twisted_mail.web.services import Services

POX = "/autodiscover/autodiscover.xml"
HELP = "/help/"
PROFILE, CODE = "mail.mobileconfig", "code.svg"
"""Below HELP and the domain."""

_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_NOT_OURS = words(404, "This server has no mail for that domain.")
_NOT_READY = words(404, "Nobody can log in here yet: the server has no certificate. Try again later.")


@dataclass(frozen=True, slots=True)
class Discovery:
    """The views.  Several take `?emailaddress=`; without it the domain is in the path, or the host name says it."""

    services: Services
    is_local: Callable[[str], Awaitable[bool]]
    identity: Callable[[], Identity | None]
    """What profiles are signed with now."""
    https: str = ""
    """Where our own https listener is, as in `https://mail.example.org`; empty: there is none."""

    log = Logger()

    async def thunderbird(self, request: WebRequest) -> Answer:
        """GET config-v1.1.xml."""
        address = _asked_about(request)
        domain = address.domain if address else _domain_of_host(request)
        if refusal := await self._refusal(domain):
            return refusal
        help_url = f"{_base(request)}{HELP}{domain}"
        return Answer(autoconfig.client_config(domain, self.services, help_url), autoconfig.KIND)

    async def outlook(self, request: WebRequest) -> Answer:
        """POST autodiscover.xml."""
        try:
            address = parse_address(autodiscover.requested_address(request.content.read()))
        except (autodiscover.RequestError, AddressError) as error:
            return words(400, f"{error}.")
        if refusal := await self._refusal(address.domain):
            return refusal
        return Answer(autodiscover.settings(address, self.services), autoconfig.KIND)

    async def outlook_redirect(self, request: WebRequest) -> Answer:
        """GET autodiscover.xml: Outlook asks over http where https is; it posts nothing without TLS."""
        if self.https and not request.isSecure():
            return Answer(b"", code=302, headers={"Location": self.https + POX})
        text = f"Outlook posts its question here. For people the settings are at {HELP} on this server.\n"
        return Answer(text.encode(), "text/plain; charset=utf-8", 405, {"Allow": "POST"})

    async def outlook_pointer(self, request: WebRequest) -> Answer:
        """GET autodiscover.json: `?Email=...&Protocol=...`, or `/v1.0/ADDRESS?Protocol=...`."""
        written = _argument(request, "email") or (request.postpath or [b""])[-1].decode("utf-8", "replace")
        address = _parsed(written)
        if refusal := await self._refusal(address.domain if address else ""):
            return refusal
        base = _base(request) if request.isSecure() else self.https or _base(request)
        code, body = autodiscover.pointer(_argument(request, "protocol"), base + POX)
        return Answer(body, "application/json", code)

    async def help(self, request: WebRequest) -> Answer:
        """GET /help/, /help/DOMAIN, and below that the profile and its code."""
        segments = [segment.decode("utf-8", "replace") for segment in request.postpath or () if segment]
        address = _asked_about(request)
        written = segments[0] if segments else address.domain if address else _domain_of_host(request)
        domain = _domain(written)
        if refusal := await self._refusal(domain):
            return refusal
        if address and address.domain != domain:
            return _NOT_OURS
        match segments[1:]:
            case []:
                return Answer(HelpPage(domain, address, self.services, _path(domain, address, "")).document())
            case [name] if name == PROFILE:
                return self._profile(domain, address)
            case [name] if name == CODE:
                return _code(_base(request) + _path(domain, address, PROFILE))
        return words(404, "There is nothing at this address.")

    def _profile(self, domain: str, address: Address | None) -> Answer:
        octets = profile.profile(domain, address, self.services)
        if identity := self.identity():
            try:
                octets = profile.signed(octets, identity)
            except ValueError as error:
                self.log.warn("a profile cannot be signed: {error}", error=str(error))
        return Answer(octets, profile.KIND, headers={"Content-Disposition": f'attachment; filename="{PROFILE}"'})

    async def _refusal(self, domain: str) -> Answer | None:
        if not domain or not await self.is_local(domain):
            return _NOT_OURS
        return None if self.services.are_usable else _NOT_READY


def _asked_about(request: WebRequest) -> Address | None:
    """The address in the query.  One that is none counts as absent."""
    return _parsed(_argument(request, "emailaddress"))


def _argument(request: WebRequest, name: str) -> str:
    """Outlook and Thunderbird do not agree on letter case."""
    for key, values in (request.args or {}).items():
        if key.lower() == name.encode():
            return str(values[0].decode("utf-8", "replace"))
    return ""


def _parsed(written: str) -> Address | None:
    try:
        return parse_address(written)
    except AddressError:
        return None


def _domain(written: str) -> str:
    """Empty: it is none."""
    try:
        return parse_domain(written)
    except AddressError:
        return ""


def _domain_of_host(request: WebRequest) -> str:
    """autoconfig.example.org and example.org both are about example.org."""
    host = request.getRequestHostname().decode("ascii", "replace").lower()
    return _domain(host.removeprefix("autoconfig.").removeprefix("autodiscover."))


def _base(request: WebRequest) -> str:
    """How the client has reached us, as in `https://mail.example.org`."""
    scheme = "https" if request.isSecure() else "http"
    host = request.getHeader("Host") or ""
    return f"{scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"


def _path(domain: str, address: Address | None, name: str) -> str:
    query = "?" + urlencode({"emailaddress": str(address)}) if address else ""
    return f"{HELP}{quote(domain)}/{name}{query}"


def _code(url: str) -> Answer:
    """*url* as a QR code, dark on light in any colour scheme: cameras want it so."""
    picture = io.BytesIO()
    segno.make(url, error="m", micro=False).save(picture, kind="svg", scale=4, dark="#000", light="#fff", title=url)
    return Answer(picture.getvalue(), "image/svg+xml")
