"""The page of a user: what is their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.affairs import AppPasswordFacts, DeletionFacts, IOwnAffairs, LoginFacts, RefusedChange
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.forms import DO, hidden, labelled, new_password, own_form, submit, unfolding, user_name, written
from twisted_mail.web.frame import framed, grid, moment
from twisted_mail.web.gate import field, redirect, told
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

OWN = "/account"
_PURPOSES = {"both": ("smtp", "pop3"), "smtp": ("smtp",), "pop3": ("pop3",)}
_IN_WORDS = {"both": "to send and to fetch", "smtp": "only to send (SMTP)", "pop3": "only to fetch (POP3)"}


async def show(request: WebRequest, session: Session) -> Answer:
    person = session.person
    return framed(
        session,
        "My account",
        tags.p("Logged in as ", tags.strong(str(person.account)), "."),
        tags.h2("Change the password"),
        _password_form(session),
        tags.h2("App passwords"),
        *_app_passwords(session, person.app_passwords()),
        tags.h2("Deleted by a mail program"),
        *_deletions(session, await person.deletions()),
        tags.h2("Recent logins"),
        _logins(await person.logins()),
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


async def _add_app_password(request: WebRequest, person: IOwnAffairs) -> str:
    name = field(request, "name").strip()
    made = await person.add_app_password(name, _PURPOSES.get(field(request, "for"), ()))
    return f'The password for "{name}" is {made} . Enter it there now: it is not shown again.'


async def _remove_app_password(request: WebRequest, person: IOwnAffairs) -> str:
    return await person.remove_app_password(field(request, "name"))


async def _restore(request: WebRequest, person: IOwnAffairs) -> str:
    return await person.restore(field(request, "session"))


_ACTIONS: Mapping[str, Callable[[WebRequest, IOwnAffairs], Awaitable[str]]] = {
    "password": _change_password,
    "add-app-password": _add_app_password,
    "remove-app-password": _remove_app_password,
    "restore": _restore,
}


# ---- what is shown


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


def _app_passwords(session: Session, found: Sequence[AppPasswordFacts]) -> list[Flattenable]:
    choice = tags.select(*[tags.option(text, value=value) for value, text in _IN_WORDS.items()], name="for")
    return [
        tags.p("One password for each program or device: it can be removed without changing the others."),
        grid(("Name", "For", "Made (UTC)", "Last used (UTC)", ""), [_app_row(session, each) for each in found])
        if found
        else "",
        own_form(
            session,
            OWN,
            "add-app-password",
            labelled("Name of the program or device", written("name", placeholder="phone")),
            labelled("What for", choice),
            submit("Make an app password"),
        ),
    ]


def _app_row(session: Session, each: AppPasswordFacts) -> tuple[Flattenable, ...]:
    used = moment(each.last_used) if each.last_used is not None else "never"
    removing = own_form(session, OWN, "remove-app-password", hidden("name", each.name), submit(f"Remove {each.name}"))
    return each.name, ", ".join(each.purposes), moment(each.created), used, removing


def _deletions(session: Session, found: Sequence[DeletionFacts]) -> list[Flattenable]:
    if not found:
        return [tags.p("Nothing that could be brought back.")]
    rows = [(moment(each.at), _what(each), _restoring(session, each)) for each in found]
    return [
        tags.p("What a program deleted can be brought back for a while."),
        grid(("When (UTC)", "What", ""), rows),
    ]


def _what(each: DeletionFacts) -> str:
    return f"{each.messages} messages" + (f", for {each.view} only" if each.view else "")


def _restoring(session: Session, each: DeletionFacts) -> Tag:
    form = own_form(session, OWN, "restore", hidden("session", each.session), submit("Bring them back"))
    return unfolding("Restore", form)


def _logins(found: Sequence[LoginFacts]) -> Tag:
    if not found:
        return tags.p("Nothing is written down about logins yet.")
    rows = [(moment(each.at), each.service, each.peer, _outcome(each)) for each in found]
    return grid(("When (UTC)", "Service", "From", "Result"), rows)


def _outcome(each: LoginFacts) -> str:
    if each.refusal:
        return f"refused: {each.refusal}"
    return f'accepted, app password "{each.by}"' if each.by else "accepted"
