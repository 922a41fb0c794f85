"""The page of a user's junk: what it is and why, and the way out of it and into it, from which the filter learns."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.template import Tag, tags

from twisted_mail.affairs import LetterFacts
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.forms import DO, hidden, one_button, own_form, submit
from twisted_mail.web.frame import framed, grid, moment
from twisted_mail.web.gate import field, redirect, told
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

JUNK = "/account/junk"
_IS_JUNK, _IS_GOOD, _INBOX_IS_GOOD = "is-junk", "is-good", "inbox-is-good"


async def show(request: WebRequest, session: Session) -> Answer:
    person = session.person
    junk, good = await person.learned()
    return framed(
        session,
        "Junk",
        tags.p(
            "These messages are not in your inbox. A mail program gets them as the user ",
            tags.strong(f"{person.account}%junk"),
            ", with the usual password. Nothing removes them but you.",
        ),
        _table(session, await person.letters(junk=True), _IS_GOOD, "Not junk", "There is no junk."),
        tags.h2("In your inbox"),
        tags.p(
            "What you say here, your own filter learns; it judges once it knows enough of both. "
            f"So far: {junk} messages as junk, {good} as good."
        ),
        one_button(session, JUNK, _INBOX_IS_GOOD, "The rest of my inbox is good mail"),
        _table(session, await person.letters(junk=False), _IS_JUNK, "Junk", "There is no mail."),
    )


async def take(request: WebRequest, session: Session) -> Answer:
    """A form was sent."""
    do = field(request, DO)
    if do in (_IS_JUNK, _IS_GOOD):
        await told(session, session.person.move_letter(field(request, "name"), to_junk=do == _IS_JUNK))
    elif do == _INBOX_IS_GOOD:
        await told(session, session.person.learn_inbox())
    return redirect(JUNK)


def _table(session: Session, found: Sequence[LetterFacts], do: str, text: str, nothing: str) -> Tag:
    if not found:
        return tags.p(nothing)
    rows = [
        (
            moment(each.at) if each.at else "",
            each.author,
            [each.subject, *[tags.div(reason, class_="faint") for reason in each.reasons]],
            own_form(session, JUNK, do, hidden("name", each.name), submit(text)),
        )
        for each in found
    ]
    return grid(("Came (UTC)", "From", "Subject", ""), rows)
