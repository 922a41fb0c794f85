"""The administrator's pages of aliases and of domains."""

from __future__ import annotations

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.affairs import AliasFacts, DomainFacts, IAdministration
from twisted_mail.protocols.http import WebRequest
from twisted_mail.web.accountpages import SHOWN, remainder, search_form
from twisted_mail.web.forms import DO, hidden, labelled, own_form, submit, unfolding, written
from twisted_mail.web.frame import framed, grid
from twisted_mail.web.gate import field, redirect, told
from twisted_mail.web.pages import Answer
from twisted_mail.web.sessions import Session

ALIASES, DOMAINS = "/admin/aliases", "/admin/domains"


async def show_aliases(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    wanted = field(request, "q").strip()
    everything = administration.people.aliases()
    found = [each for each in everything if any(wanted.lower() in text for text in (each.address, *each.targets))]
    return framed(
        session,
        "Aliases",
        tags.p("Mail for an alias goes to other addresses, here or elsewhere. @example.org takes what else comes."),
        search_form(ALIASES, "Part of an address", wanted) if len(everything) > 10 or wanted else "",
        grid(("Alias", "Leads to", ""), [_alias_row(session, each) for each in found[:SHOWN]]) if found else "",
        remainder(len(found)),
        tags.h2("Add an alias"),
        _adding(session),
    )


async def take_alias(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    people, alias = administration.people, field(request, "alias")
    match field(request, DO):
        case "add":
            targets = field(request, "targets").replace(",", " ").split()
            await told(session, people.add_alias(alias, targets, field(request, "owner").strip()))
        case "remove":
            await told(session, people.remove_alias(alias))
    return redirect(ALIASES)


async def show_domains(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    found = administration.people.domains()
    heads = ("Domain", "Accounts", "Aliases", "")
    return framed(
        session,
        "Domains",
        grid(heads, [_domain_row(session, each) for each in found]) if found else tags.p("No domains."),
        tags.h2("Add a domain"),
        own_form(
            session, DOMAINS, "add", labelled("Domain", written("name", placeholder="example.org")), submit("Add it")
        ),
        tags.p("What its DNS must have: ", tags.code("mailserver check dns"), class_="faint"),
    )


async def take_domain(request: WebRequest, session: Session, administration: IAdministration) -> Answer:
    people, name = administration.people, field(request, "name")
    match field(request, DO):
        case "add":
            await told(session, people.add_domain(name))
        case "remove":
            await told(session, people.remove_domain(name))
    return redirect(DOMAINS)


def _alias_row(session: Session, alias: AliasFacts) -> tuple[Flattenable, ...]:
    led = ", ".join(alias.targets) + (f" (a list of {alias.owner})" if alias.owner else "")
    return alias.address, led, _removing(session, ALIASES, "alias", alias.address)


def _domain_row(session: Session, domain: DomainFacts) -> tuple[Flattenable, ...]:
    removing = "" if domain.accounts + domain.aliases else _removing(session, DOMAINS, "name", domain.name)
    return domain.name, str(domain.accounts), str(domain.aliases), removing


def _removing(session: Session, path: str, name: str, value: str) -> Tag:
    form = own_form(session, path, "remove", hidden(name, value), submit(f"Remove {value}", danger=True))
    return unfolding("Remove", form)


def _adding(session: Session) -> Tag:
    targets = tags.textarea(name="targets", rows="3", required="required", spellcheck="false", autocomplete="off")
    owner = tags.input(name="owner", type="email", autocomplete="off", spellcheck="false")
    return own_form(
        session,
        ALIASES,
        "add",
        labelled("Alias", written("alias", placeholder="info@example.org")),
        labelled("Leads to: addresses, one a line", targets),
        labelled("Owner, for a list: the account that hears what fails (may stay empty)", owner),
        submit("Add the alias"),
    )
