"""The icon of all pages, the style and the script of those behind the login: files, served as they are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from twisted.web.template import Tag, tags

from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.pages import Answer, Page

_KINDS = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
# read with the rights of the start: the user that the server becomes may not reach the installation
_FILES = {name: (files("twisted_mail.web") / "files" / name).read_bytes() for name in _KINDS}


class Asset:
    """One file."""

    def __init__(self, name: str) -> None:
        self._octets = _FILES[name]
        self._kind = _KINDS[name]

    async def show(self, request: WebRequest) -> Answer:
        return Answer(self._octets, self._kind, headers={"Cache-Control": "max-age=600"})


def style_link() -> Tag:
    """For the head of a page."""
    return tags.link(rel="stylesheet", href="/page.css")


def assets() -> Mapping[str, Page]:
    """Path -> page."""
    return {f"/{name}": Page(get=Asset(name).show) for name in _KINDS}
