"""The administrator's pages of what has happened: the last things, and stories."""

from __future__ import annotations

from urllib.parse import quote

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.affairs import Happening, IAdministration, Kind, StoryFacts
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.accountpages import search_form
from twisted_mail.web.forms import labelled, submit, unfolding
from twisted_mail.web.frame import framed, grid, live, moment
from twisted_mail.web.gate import field
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

ACTIVITY, STORY = "/admin/activity", "/admin/story"
RECENT = 100
"""Happenings on the page."""
STORIES = 10
_NO_JOURNAL = "Nothing is written down here: [journal] keep is 0."


async def show_recent(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    """GET of ACTIVITY, with `?kind=` and `?q=`."""
    if administration.records is None:
        return framed(session, "Activity", tags.p(_NO_JOURNAL))
    wanted, asked = field(request, "q").strip(), field(request, "kind")
    kind = next((each for each in Kind if each.value == asked), Kind.MESSAGES)
    found = await administration.records.recent(kind, wanted, RECENT)
    rows = [(moment(each.at), _sentence(each)) for each in found]
    return framed(
        session,
        "Activity",
        _question(""),
        tags.h2("The last things that happened"),
        _choice(kind, wanted),
        live("recent", grid(("When (UTC)", "What"), rows) if rows else tags.p("Nothing of that kind yet.")),
    )


async def show_stories(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    """GET of STORY, with `?q=`: a Message-ID, an id, an address, or a time."""
    if administration.records is None:
        return framed(session, "Story", tags.p(_NO_JOURNAL))
    question = field(request, "q").strip()
    found = await administration.records.stories(question, STORIES) if question else []
    nothing = tags.p(f"Nothing is known of {question}.") if question and not found else ""
    return framed(session, "Story", _question(question), nothing, *[part for each in found for part in _story(each)])


def _question(question: str) -> Tag:
    label = "What became of: a Message-ID, an id, an address, or a time in UTC"
    return search_form(STORY, label, question)


def _choice(kind: Kind, wanted: str) -> Tag:
    options = [
        tags.option(each.value, value=each.value, **({"selected": "selected"} if each is kind else {})) for each in Kind
    ]
    text = tags.input(type="search", name="q", value=wanted, autocomplete="off", spellcheck="false")
    return tags.form(
        labelled("Kind", tags.select(*options, name="kind")),
        labelled("That contains", text),
        submit("Show"),
        method="get",
        action=ACTIVITY,
        class_="row",
    )


def _story(story: StoryFacts) -> list[Flattenable]:
    heading = f"Message {story.id}" if story.id else "What did not become a message"
    return [
        tags.h2(heading),
        grid(("When (UTC)", "What"), [(moment(each.at), _told(each)) for each in story.happenings]),
    ]


def _sentence(each: Happening) -> list[Flattenable]:
    link = tags.a("story", href=f"{STORY}?q={quote(each.question)}") if each.question else ""
    return [each.text, " ", link, _said(each)]


def _told(each: Happening) -> list[Flattenable]:
    return [each.text, _said(each)]


def _said(each: Happening) -> Flattenable:
    return unfolding("What was said", tags.pre(each.said)) if each.said else ""
