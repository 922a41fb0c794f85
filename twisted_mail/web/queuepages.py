"""The administrator's pages of the queue: what waits, and one message."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.affairs import IAdministration, IQueue, QueueChange, QueuedFacts, QueuedMessage, RecipientFacts
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.accountpages import SHOWN, search_form
from twisted_mail.web.forms import DO, one_button, own_form, submit, unfolding
from twisted_mail.web.frame import framed, grid, live, moment, size_text
from twisted_mail.web.gate import field, redirect, rest, told
from twisted_mail.web.layout import table
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

QUEUE = "/admin/queue"
_BUTTONS = ((QueueChange.RETRY, "Try now"), (QueueChange.HOLD, "Hold"), (QueueChange.RELEASE, "Release"))
_ENDS = (
    (QueueChange.BOUNCE, "Return to the sender", "The sender gets a report that it could not be delivered."),
    (QueueChange.DROP, "Drop", "The message is deleted, and nobody is told."),
)


async def show(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    """GET of QUEUE, and below it of one message."""
    queue, identifier = administration.queue, rest(request)
    if queue is None:
        text = "This server sends nothing to others: [relay] enabled is false, or this is demo mode."
        return framed(session, "Queue", tags.p(text))
    if not identifier:
        return framed(session, "Queue", *await _list(queue, field(request, "q").strip()))
    message = await queue.message(identifier)
    if message is None:
        session.tell(f"Message {identifier} is not in the queue, or has just left it.", wrong=True)
        return redirect(QUEUE)
    return framed(session, f"Message to {_shortened(message.facts.recipients)}", *_one(session, message))


async def take(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    """A button of one message was pressed."""
    identifier, wanted = rest(request), field(request, DO)
    change = next((each for each in QueueChange if each.value == wanted), None)
    if administration.queue is not None and change is not None:
        await told(session, administration.queue.ask(identifier, change))
        if await administration.queue.message(identifier) is not None:
            return redirect(f"{QUEUE}/{identifier}")
    return redirect(QUEUE)


async def _list(queue: IQueue, wanted: str) -> list[Flattenable]:
    number, found = await queue.messages(wanted, SHOWN)
    heads = ("To", "From", "Size", "Since (UTC)", "Next attempt (UTC)", "Said")
    more = f" The first {SHOWN} are shown." if len(found) == SHOWN < number else ""
    return [
        search_form(QUEUE, "Part of an address or id", wanted) if number > 10 or wanted else "",
        live(
            "waiting",
            tags.p("No messages wait." if not number else f"{number} messages wait.{more}"),
            grid(heads, [_row(each) for each in found]) if found else "",
        ),
    ]


def _row(facts: QueuedFacts) -> tuple[Flattenable, ...]:
    link = tags.a(_shortened(facts.recipients), href=f"{QUEUE}/{facts.id}")
    return link, facts.sender, size_text(facts.size), moment(facts.since), _due(facts), facts.said[:200]


def _due(facts: QueuedFacts) -> Flattenable:
    return "held" if facts.due is None else moment(facts.due)


def _shortened(recipients: Sequence[str]) -> str:
    return ", ".join(recipients[:2]) + (f" and {len(recipients) - 2} more" if len(recipients) > 2 else "")


def _one(session: Session, message: QueuedMessage) -> list[Flattenable]:
    facts, path = message.facts, f"{QUEUE}/{message.facts.id}"
    buttons = [one_button(session, path, change.value, text) for change, text in _BUTTONS]
    ends = [
        unfolding(text, tags.p(about), own_form(session, path, change.value, submit(f"{text}, now", danger=True)))
        for change, text, about in _ENDS
    ]
    rows: list[tuple[str, Flattenable]] = [
        ("Id", tags.code(facts.id)),
        ("From", facts.sender),
        ("Size", size_text(facts.size)),
        ("Since (UTC)", moment(facts.since)),
        ("Next attempt (UTC)", _due(facts)),
    ]
    return [
        live("facts", table(rows)),
        tags.div(*buttons, class_="buttons"),
        *ends,
        tags.h2("Recipients"),
        live("recipients", *map(_recipient, message.recipients)),
    ]


def _recipient(each: RecipientFacts) -> Tag:
    by = each.host or "this server"
    said = tags.p(moment(each.at), f" {by}: {each.reply}") if each.at is not None else ""
    dialogue = unfolding("The dialogue", tags.pre(each.dialogue)) if each.dialogue else ""
    return tags.div(tags.p(tags.strong(each.address), f": {each.state}, attempts: {each.attempts}"), said, dialogue)
