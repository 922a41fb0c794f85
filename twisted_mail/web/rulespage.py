"""The page of a user's rules: their file, to be read and changed as the text that it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from twisted.web.template import Tag, tags

from twisted_mail.affairs import IOwnAffairs, RefusedChange
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.forms import DO, labelled, own_form, submit, unfolding
from twisted_mail.web.frame import framed
from twisted_mail.web.gate import field, redirect, told
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

RULES = "/account/rules"
SET, IMPORT = "rules", "script"

EXAMPLE = """[[rule]]
name = "invoices"
when = { header = "Subject", contains = ["invoice", "bill"] }
folder = "Work.Invoices"
"""

_ACTIONS: Mapping[str, Callable[[IOwnAffairs, str], Awaitable[str]]] = {
    SET: lambda person, text: person.set_rules(text),
    IMPORT: lambda person, text: person.import_rules(text),
}


async def show(request: WebRequest, session: Session) -> Answer:
    return _page(session, {SET: await _saved(session)})


async def take(request: WebRequest, session: Session) -> Answer:
    """A form was sent.  What is wrong with a text stands above it, and the text stays as it was written."""
    do = field(request, DO)
    text = field(request, "text").replace("\r\n", "\n")
    if do not in _ACTIONS or await told(session, _ACTIONS[do](session.person, text)):
        return redirect(RULES)
    return _page(session, {SET: await _saved(session), do: text})


async def _saved(session: Session) -> str:
    try:
        return await session.person.rules()
    except RefusedChange as error:
        session.tell(str(error), wrong=True)
        return ""


def _page(session: Session, texts: Mapping[str, str]) -> Answer:
    """*texts*: what stands in which form."""
    return framed(
        session,
        "My rules",
        tags.p(
            "What is done with mail that comes: rules are asked in their order, and what no rule puts elsewhere stays "
            "in the inbox. Without text there are none. A mail program fetches a folder as ",
            tags.code(f"{session.person.account}%.Work.Invoices"),
            ", with your password.",
        ),
        own_form(session, RULES, SET, _area("Rules", texts.get(SET, "")), submit("Have these rules")),
        unfolding("An example", Tag("pre")(EXAMPLE)),
        unfolding(
            "Take over a Sieve script",
            own_form(session, RULES, IMPORT, _area("Script", texts.get(IMPORT, "")), submit("Have it in their place")),
        )(**({"open": "open"} if IMPORT in texts else {})),
    )


def _area(label: str, text: str) -> Tag:
    rows = str(min(40, max(12, text.count("\n") + 2)))
    # a line end right behind the tag means nothing (HTML §13.1.2.5)
    area = tags.textarea(f"\n{text}", name="text", rows=rows, spellcheck="false", autocomplete="off")
    return labelled(label, area)
