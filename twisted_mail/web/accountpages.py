"""The administrator's pages of accounts: all of them, and one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.affairs import IAdministration, Person
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.forms import (
    DO,
    labelled,
    new_password,
    one_button,
    own_form,
    submit,
    unfolding,
    user_name,
    written,
)
from twisted_mail.web.frame import framed, grid, moment, size_text
from twisted_mail.web.gate import AdministrationAction, field, redirect, rest, told
from twisted_mail.web.layout import table
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

ACCOUNTS = "/admin/accounts"
SHOWN = 200
"""Rows of a list; who has more writes what to look for."""


async def show(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    """GET of ACCOUNTS, and below it of one account."""
    address = rest(request)
    if not address:
        return framed(session, "Accounts", *_list(session, administration, field(request, "q").strip()))
    person = administration.people.account(address)
    if person is None:
        session.tell(f"There is no account {address}.", wrong=True)
        return redirect(ACCOUNTS)
    return framed(session, str(person.address), *await _one(session, administration, person))


async def take(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    """A form was sent: of the list, or of one account."""
    action = _ACTIONS.get(field(request, DO))
    if action is not None:
        await told(session, action(request, administration))
    person = administration.people.account(rest(request))
    return redirect(path_of(str(person.address)) if person is not None else ACCOUNTS)


def path_of(address: str) -> str:
    """Where an account has its page."""
    return f"{ACCOUNTS}/{quote(address, safe='@')}"


async def _add(request: WebRequest, administration: IAdministration) -> str:
    return await administration.people.add_account(field(request, "address"), field(request, "password"))


async def _set_password(request: WebRequest, administration: IAdministration) -> str:
    return await administration.people.set_password(rest(request), field(request, "password"))


async def _disable(request: WebRequest, administration: IAdministration) -> str:
    return await administration.people.set_disabled(rest(request), True)


async def _enable(request: WebRequest, administration: IAdministration) -> str:
    return await administration.people.set_disabled(rest(request), False)


async def _remove(request: WebRequest, administration: IAdministration) -> str:
    return await administration.people.remove_account(rest(request))


_ACTIONS: Mapping[str, AdministrationAction] = {
    "add": _add,
    "password": _set_password,
    "disable": _disable,
    "enable": _enable,
    "remove": _remove,
}


# ---- what is shown


def _list(session: Session, administration: IAdministration, wanted: str) -> list[Flattenable]:
    everybody = administration.people.accounts()
    found = [person for person in everybody if wanted.lower() in str(person.address)]
    return [
        search_form(ACCOUNTS, "Part of an address", wanted) if len(everybody) > 10 or wanted else "",
        _table(found[:SHOWN]) if found else tags.p("No accounts."),
        remainder(len(found)),
        tags.h2("Add an account"),
        _adding(session, administration),
    ]


def _table(people: Sequence[Person]) -> Tag:
    heads = ("Address", "State", "Since (UTC)")
    return grid(
        heads,
        [
            (tags.a(str(each.address), href=path_of(str(each.address))), _state(each), moment(each.created))
            for each in people
        ],
    )


def _state(person: Person) -> str:
    state = "disabled" if person.is_disabled else "active"
    return f"{state}, administrator" if person.is_administrator else state


def _adding(session: Session, administration: IAdministration) -> Flattenable:
    domains = administration.people.domains()
    if not domains:
        return tags.p("First ", tags.a("add its domain", href="/admin/domains"), ".")
    example = written("address", type="email", placeholder=f"name@{domains[0].name}")
    return own_form(
        session,
        ACCOUNTS,
        "add",
        labelled("Address", example),
        labelled("Password", new_password()),
        submit("Add the account"),
    )


async def _one(session: Session, administration: IAdministration, person: Person) -> list[Flattenable]:
    address = str(person.address)
    path = path_of(address)
    mailbox = await administration.people.mailbox(person)
    switch = ("enable", "Enable") if person.is_disabled else ("disable", "Disable: no mail, no logins")
    return [
        table(
            [
                ("State", _state(person)),
                ("Since (UTC)", moment(person.created)),
                ("Mailbox", f"{mailbox.messages} messages, {size_text(mailbox.octets)}"),
                ("Open now", mailbox.opened_by or "no"),
            ]
        ),
        tags.h2("Set a password"),
        own_form(
            session,
            path,
            "password",
            user_name(address),
            labelled("New password", new_password()),
            submit("Set the password"),
        ),
        tags.h2("Switch off, remove"),
        one_button(session, path, *switch),
        unfolding(
            "Remove the account",
            tags.p("Nobody can log in any more, mail for it is refused. Its mail stays on disk."),
            own_form(session, path, "remove", submit(f"Remove {address}", danger=True)),
        ),
    ]


def search_form(path: str, label: str, wanted: str) -> Tag:
    """Leads to the same page with `?q=`."""
    text = tags.input(type="search", name="q", value=wanted, autocomplete="off", spellcheck="false")
    return tags.form(labelled(label, text), submit("Search"), method="get", action=path, class_="stacked search")


def remainder(number: int) -> Flattenable:
    """What to say below a list of which only SHOWN rows are there."""
    return tags.p(f"And {number - SHOWN} more: search for a part of it.", class_="faint") if number > SHOWN else ""
