"""Which page stands at which path, and how a page answers: an async function from a request to an `Answer`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from twisted_mail.protocols.http import WebRequest

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client."""

    body: bytes
    kind: str = HTML
    """The content type."""
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """In addition to, or in place of, those that every answer has (protocols/http.py: SECURITY)."""


def words(code: int, text: str) -> Answer:
    """An answer that is nothing but a sentence for who reads it."""
    return Answer(f"{text}\n".encode(), TEXT, code)


View = Callable[[WebRequest], Awaitable[Answer]]


class Page(Resource):
    """What stands at one path, for each method that it knows.  HEAD is GET without the body."""

    log = Logger()
    isLeaf = True

    def __init__(self, get: View | None = None, post: View | None = None, delete: View | None = None) -> None:
        super().__init__()
        views = {b"GET": get, b"HEAD": get, b"POST": post, b"DELETE": delete}
        self._views = {method: view for method, view in views.items() if view is not None}

    def render(self, request: WebRequest) -> int:
        answering = Deferred.fromCoroutine(self._respond(request))
        request.notifyFinish().addErrback(lambda gone: answering.cancel())
        return NOT_DONE_YET

    async def _respond(self, request: WebRequest) -> None:
        try:
            answer = await self._answer(request)
        except CancelledError:  # the client is gone
            return
        except Exception:  # noqa: BLE001 (our bug, whatever it is: the client must not see it, the log must)
            self.log.failure("the page at {path} failed", path=ascii(request.path))
            answer = words(500, "The server has failed here. Its log says why.")
        _send(request, answer)

    async def _answer(self, request: WebRequest) -> Answer:
        view = self._views.get(request.method)
        if view is not None:
            return await view(request)
        allowed = ", ".join(method.decode() for method in self._views)
        return Answer(f"Only {allowed} here.\n".encode(), TEXT, 405, {"Allow": allowed})


class Pages(Resource):
    """The root: finds what stands at a path in a table, in which others have their rows.

    A path that ends in `/` stands for everything below it, too: its resource finds the rest.  Letter case does not
    matter in what the table says (Outlook asks for /Autodiscover/Autodiscover.xml).
    """

    def __init__(self, table: Mapping[str, IResource]) -> None:
        super().__init__()
        self._table = {path.lower().strip("/").encode(): resource for path, resource in table.items()}
        self._trees = {path.lower().strip("/").encode() for path in table if path.endswith("/") and path != "/"}

    def getChildWithDefault(self, path: bytes, request: WebRequest) -> IResource:
        segments = [path, *(request.postpath or ())]
        for length in range(len(segments), 0, -1):
            found = b"/".join(segments[:length]).lower().rstrip(b"/")
            whole = length == len(segments)
            if found in self._table and (whole or found in self._trees):
                request.prepath = segments[:length]
                request.postpath = segments[length:]
                return self._table[found]
        return _NOTHING


def _send(request: WebRequest, answer: Answer) -> None:
    request.setResponseCode(answer.code)
    request.setHeader("Content-Type", answer.kind)
    request.setHeader("Content-Length", str(len(answer.body)))
    for name, value in answer.headers.items():
        request.setHeader(name, value)
    request.write(b"" if request.method == b"HEAD" else answer.body)
    request.finish()


async def _nothing(request: WebRequest) -> Answer:
    return words(404, "There is nothing at this address.")


_NOTHING = Page(get=_nothing, post=_nothing)
