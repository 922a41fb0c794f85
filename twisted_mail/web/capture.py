"""The page of captured mail, and the same for programs: /captured/ and /api/messages.

No login: capture mode is for developers, on loopback.  Answers go only to who asks by a local name, so that no page of
the web can read them by a name of its own that leads here; what changes something must come from this page or from a
program.  HTML of a message is shown in a frame in which nothing runs and from which nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from twisted.web.resource import IResource
from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.captured import ORIGINAL_TO, Captured, identifier_of, parse
from twisted_mail.web.layout import document, table
from twisted_mail.web.pages import Answer, Page, View, words

PAGE = "/captured/"
API = "/api/messages/"
LISTED = 200
"""Messages in a list; the newest."""
LOCAL = ("localhost", "127.0.0.1", "::1")

_FRAME = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}
"""Of the HTML of a message: nothing runs, nothing is fetched."""
_FRAMING = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}
_NOT_THERE = words(404, "There is no such message; it may have been deleted.")


class Mailbox(Protocol):
    """Where the messages are.  Names are those of files."""

    async def names(self) -> Sequence[str]:
        """The newest first."""

    async def read(self, name: str) -> bytes | None: ...

    async def delete(self, names: Sequence[str]) -> int: ...


class CapturePages:
    """`table` has what stands at which path."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self.table: Mapping[str, IResource] = {
            PAGE: Page(get=_locally(self._show), post=_locally(self._change)),
            API: Page(get=_locally(self._tell), delete=_locally(self._delete)),
        }

    # ---- for people

    async def _show(self, request: WebRequest) -> Answer:
        match _below(request):
            case []:
                return await self._list(request)
            case [identifier]:
                return self._message(await self._find(identifier))
            case [identifier, *rest]:
                return _part(await self._find(identifier), rest)
        raise AssertionError("a list has one of these shapes")

    async def _list(self, request: WebRequest) -> Answer:
        found = await self._search(_argument(request, "q"))
        rows = [
            tags.tr(
                tags.td(tags.a(each.field("subject") or "(no subject)", href=f"{PAGE}{quote(each.id)}")),
                tags.td(each.field("from")),
                tags.td(each.field(ORIGINAL_TO)),
                tags.td(each.field("date")),
            )
            for each in found
        ]
        head = tags.tr([tags.th(name, scope="col") for name in ("Subject", "From", "For", "Date")])
        content: list[Flattenable] = [
            tags.form(
                tags.label("Search in sender, recipient and subject", for_="q"),
                tags.div(
                    tags.input(id="q", name="q", type="search", value=_argument(request, "q")),
                    tags.button("Search", type="submit"),
                    class_="fields",
                ),
                method="get",
            ),
            tags.table(tags.thead(head), tags.tbody(rows)) if rows else tags.p("Nothing has been captured."),
            tags.p(f"The newest {LISTED} at most. ", tags.a("The same as JSON", href=API), class_="faint"),
        ]
        if rows:
            content.append(_button("", "Delete all messages"))
        return Answer(document("Captured mail", *content))

    def _message(self, message: Captured | None) -> Answer:
        if message is None:
            return _NOT_THERE
        here = f"{PAGE}{quote(message.id)}"
        content: list[Flattenable] = [
            tags.p(tags.a("All messages", href=PAGE), " · ", tags.a("Source", href=f"{here}/source")),
            table([(name, value) for name, value in message.fields]),
        ]
        if message.text:
            content += [tags.h2("Text"), tags.pre(message.text)]
        if message.html:
            frame = Tag("iframe")(src=f"{here}/html", sandbox="", title="HTML of the message", class_="message")
            content += [tags.h2("HTML"), frame]
        if message.attachments:
            links = [
                tags.li(tags.a(each.name, href=f"{here}/attachment/{number}"), f" ({each.kind}, {len(each.octets)})")
                for number, each in enumerate(message.attachments)
            ]
            content += [tags.h2("Attachments"), tags.ul(links)]
        content.append(_button(quote(message.id), "Delete this message"))
        return Answer(document(message.field("subject") or "(no subject)", *content), headers=_FRAMING)

    async def _change(self, request: WebRequest) -> Answer:
        if not _from_here(request):
            return words(403, "This does not come from the page itself.")
        below = _below(request)
        await self._mailbox.delete(await self._chosen(below[0] if below else None))
        return Answer(b"", code=303, headers={"Location": PAGE})

    # ---- for programs

    async def _tell(self, request: WebRequest) -> Answer:
        match _below(request):
            case []:
                return _json([each.summary() for each in await self._search(_argument(request, "q"))])
            case [identifier]:
                message = await self._find(identifier)
                return _json(message.whole()) if message is not None else _NOT_THERE
            case [identifier, *rest]:
                return _part(await self._find(identifier), rest)
        raise AssertionError("a list has one of these shapes")

    async def _delete(self, request: WebRequest) -> Answer:
        if not _from_here(request):
            return words(403, "A page of another origin may not delete messages.")
        below = _below(request)
        chosen = await self._chosen(below[0] if below else None)
        if below and not chosen:
            return _NOT_THERE
        return _json({"deleted": await self._mailbox.delete(chosen)})

    # ---- finding

    async def _chosen(self, identifier: str | None) -> list[str]:
        """The files of one message, or of all."""
        names = await self._mailbox.names()
        return [name for name in names if identifier is None or identifier_of(name) == identifier]

    async def _find(self, identifier: str) -> Captured | None:
        for name in await self._chosen(identifier):
            if (source := await self._mailbox.read(name)) is not None:
                return parse(name, source)
        return None

    async def _search(self, wanted: str) -> list[Captured]:
        """Those in which *wanted* stands in front, the newest first."""
        found: list[Captured] = []
        for name in await self._mailbox.names():
            if len(found) == LISTED:
                break
            if (source := await self._mailbox.read(name)) is None:
                continue
            message = parse(name, source)
            if wanted.lower() in " ".join(map(str, message.summary().values())).lower():
                found.append(message)
        return found


def _part(message: Captured | None, path: Sequence[str]) -> Answer:
    if message is None:
        return _NOT_THERE
    match path:
        case ["source"]:
            return Answer(message.source, "text/plain; charset=utf-8")
        case ["html"] if message.html:
            return Answer(message.html.encode(), headers=_FRAME)
        case ["attachment", number] if number.isdigit() and int(number) < len(message.attachments):
            attachment = message.attachments[int(number)]
            name = quote(attachment.name)
            disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
            return Answer(attachment.octets, "application/octet-stream", headers=disposition)
    return words(404, "The message has no such part.")


def _locally(view: View) -> View:
    """*view* for who asks by a name of this machine."""

    async def show(request: WebRequest) -> Answer:
        host = urlsplit(f"//{(request.getHeader('host') or '')}").hostname
        if host not in LOCAL:
            return words(421, "Captured mail is shown at http://localhost/ only.")
        return await view(request)

    return show


def _from_here(request: WebRequest) -> bool:
    """Not from a page of another origin: browsers say where a request comes from, programs need not."""
    origin = request.getHeader("origin")
    return origin is None or urlsplit(origin).netloc == request.getHeader("host")


def _below(request: WebRequest) -> list[str]:
    return [unquote(segment.decode("ascii", "replace")) for segment in request.postpath or () if segment]


def _argument(request: WebRequest, name: str) -> str:
    value: bytes = (request.args or {}).get(name.encode(), [b""])[0]
    return value.decode("utf-8", "replace").strip()


def _button(identifier: str, text: str) -> Tag:
    return tags.form(tags.button(text, type="submit"), method="post", action=f"{PAGE}{identifier}")


def _json(value: object) -> Answer:
    return Answer(json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n", "application/json")
