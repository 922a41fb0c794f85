"""The page of a user: what is their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from twisted.web.template import Tag, tags

from twisted_mail.affairs import IOwnAffairs, RefusedChange
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.forms import DO, labelled, new_password, own_form, submit, user_name
from twisted_mail.web.frame import framed
from twisted_mail.web.gate import field, redirect, told
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

OWN = "/account"


async def show(request: WebRequest, session: Session) -> Answer:
    return framed(
        session,
        "My account",
        tags.p("Logged in as ", tags.strong(str(session.person.account)), "."),
        tags.h2("Change the password"),
        _password_form(session),
    )


async def take(request: WebRequest, session: Session) -> Answer:
    """A form was sent."""
    action = _ACTIONS.get(field(request, DO))
    if action is not None:
        await told(session, action(request, session.person))
    return redirect(OWN)


async def _change_password(request: WebRequest, person: IOwnAffairs) -> str:
    new = field(request, "new")
    if new != field(request, "again"):
        raise RefusedChange("The two new passwords differ; nothing was changed.")
    await person.change_password(field(request, "old"), new)
    return "Your password is changed. Enter the new one in your mail programs."


_ACTIONS: Mapping[str, Callable[[WebRequest, IOwnAffairs], Awaitable[str]]] = {
    "password": _change_password,
}


def _password_form(session: Session) -> Tag:
    old = tags.input(name="old", type="password", autocomplete="current-password", required="required")
    return own_form(
        session,
        OWN,
        "password",
        user_name(str(session.person.account)),
        labelled("Old password", old),
        labelled("New password", new_password("new")),
        labelled("The same again", new_password("again")),
        submit("Change the password"),
    )
