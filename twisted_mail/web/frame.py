"""What pages behind the login have around them: the way to the others, what was done, who is logged in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.web.assets import style_link
from twisted_mail.web.forms import hidden, submit
from twisted_mail.web.gate import TOKEN
from twisted_mail.web.layout import document
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

LOGOUT = "/logout"


def framed(session: Session, title: str, *content: Flattenable, code: int = 200) -> Answer:
    """The page, with what there is to tell of what was done before."""
    notices = [tags.p(text, class_="wrong" if wrong else "done", role="status") for text, wrong in session.notices]
    session.notices.clear()
    head = [style_link(), tags.script(src="/page.js", defer="defer")]
    return Answer(document(title, *notices, *content, head=head, top=_top(session, title)), code=code)


def grid(heads: Sequence[str], rows: Iterable[Sequence[Flattenable]]) -> Tag:
    """A table with a head; on a narrow screen each row is a block in which each value has its name."""
    return tags.table(
        tags.thead(tags.tr([tags.th(head, scope="col") for head in heads])),
        tags.tbody(
            [
                tags.tr([tags.td(value, **{"data-name": head}) for head, value in zip(heads, row, strict=True)])
                for row in rows
            ]
        ),
        class_="grid",
    )


def live(identifier: str, *content: Flattenable) -> Tag:
    """A part of the page that a script keeps up to date."""
    return tags.div(*content, id=identifier, **{"data-live": "true"})


def moment(seconds: float) -> Tag:
    """`2026-11-21 05:10:03`, UTC."""
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return Tag("time")(text, datetime=text.replace(" ", "T") + "Z")


def size_text(octets: int) -> str:
    """`12.3 MiB`."""
    size, unit = float(octets), "octets"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{octets} octets" if unit == "octets" else f"{size:.1f} {unit}"


def _top(session: Session, title: str) -> Tag:
    pages = _ADMINISTRATOR if session.administration is not None else ()
    links = [
        tags.li(tags.a(text, href=path, **({"aria-current": "page"} if text == title else {})))
        for path, text in (*pages, *_EVERYBODY)
    ]
    leaving = tags.form(
        hidden(TOKEN, session.form_token), submit("Log out"), method="post", action=LOGOUT, class_="inline"
    )
    return Tag("header")(
        Tag("nav")(tags.ul(links), **{"aria-label": "Pages"}),
        tags.div(tags.span(str(session.person.account), class_="faint"), leaving, class_="who"),
    )


_ADMINISTRATOR = (
    ("/admin", "Overview"),
    ("/admin/accounts", "Accounts"),
    ("/admin/aliases", "Aliases"),
    ("/admin/domains", "Domains"),
    ("/admin/queue", "Queue"),
    ("/admin/activity", "Activity"),
    ("/admin/checks", "Checks"),
)
_EVERYBODY = (("/account", "My account"), ("/account/rules", "My rules"), ("/account/junk", "Junk"))
