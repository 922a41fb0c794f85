"""What all pages for people look like: one frame of HTML, one style sheet, dark and light, down to 360 pixels width.

No JavaScript is needed, and nothing stands inline: the headers forbid it (protocols/http.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.web.template import Flattenable, Tag, flattenString, tags

from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.pages import Answer

_CSS = """\
:root { color-scheme: light dark; --text: #1c1e21; --ground: #fbfbfa; --card: #ffffff; --line: #d9d9d4;
  --faint: #5b6068; --accent: #14532d; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e6e3; --ground: #16181a; --card: #1f2225; --line: #3a3e43; --faint: #a3a9b1; --accent: #86d9a5; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--ground); color: var(--text); line-height: 1.5;
  font-family: system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 44rem; margin: 0 auto; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
a { color: var(--accent); }
p { margin: .5rem 0; }
.faint { color: var(--faint); }
code { font-family: ui-monospace, monospace; font-size: .95em; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-top: 1px solid var(--line);
  font-weight: normal; }
th { color: var(--faint); width: 9rem; overflow-wrap: normal; }
pre { overflow-x: auto; padding: .6rem; background: var(--card); border: 1px solid var(--line); white-space: pre-wrap; }
iframe.message { width: 100%; height: 30rem; border: 1px solid var(--line); background: #fff; }
.code { display: block; width: 13rem; height: auto; max-width: 100%; background: #fff; padding: .5rem; }
form { margin: 1.5rem 0; }
label { display: block; margin-bottom: .25rem; }
.fields { display: flex; flex-wrap: wrap; gap: .5rem; }
input, button { font: inherit; padding: .45rem .6rem; border: 1px solid var(--faint); border-radius: .25rem; }
input { flex: 1 1 12rem; min-width: 0; color: inherit; background: var(--card); }
button { color: var(--ground); background: var(--accent); border-color: var(--accent); cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
footer { margin-top: 2rem; font-size: .875rem; color: var(--faint); }
"""


@dataclass(frozen=True, slots=True)
class StyleSheet:
    css: str

    async def show(self, request: WebRequest) -> Answer:
        return Answer(self.css.encode(), "text/css; charset=utf-8", headers={"Cache-Control": "max-age=3600"})


STYLE = StyleSheet(_CSS)


def document(title: str, *content: Flattenable, head: Flattenable = "", top: Flattenable = "") -> bytes:
    """A whole page around *content*; texts in it are escaped.  *top* stands above the title."""
    in_head = tags.head(
        tags.meta(charset="utf-8"),
        tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tags.title(title),
        tags.link(rel="icon", href="/icon.svg"),
        tags.link(rel="stylesheet", href="/style.css"),
        head,
    )
    page = tags.html(in_head, tags.body(top, Tag("main")(tags.h1(title), *content)), lang="en")
    return b"<!DOCTYPE html>\n" + flat(page)


def table(rows: list[tuple[str, Flattenable]]) -> Tag:
    """Two columns: what, and its value."""
    return tags.table(tags.tbody([tags.tr(tags.th(name, scope="row"), tags.td(value)) for name, value in rows]))


def flat(tag: Tag) -> bytes:
    """Nothing in our pages has to be waited for."""
    result: list[bytes] = []
    flattening: Deferred[bytes] = flattenString(None, tag)
    flattening.addCallback(result.append)
    return result[0]
