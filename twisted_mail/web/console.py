"""The pages behind the login, each at its path: the rows that they have in the table of all pages (webservice.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from twisted_mail.protocols.http import WebRequest
from twisted_mail.web import (
    accountpages,
    addresspages,
    checkpage,
    junkpage,
    overviewpage,
    ownpages,
    queuepages,
    recordpages,
    rulespage,
)
from twisted_mail.web.assets import assets
from twisted_mail.web.frame import LOGOUT
from twisted_mail.web.gate import LOGIN, Gate, redirect
from twisted_mail.web.login import ADMINISTRATION, LoginPage
from twisted_mail.web.pages import Answer, Page
from twisted_mail.web.sessions import Session, Sessions


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where people log in."""

    portal: Portal
    """Gives IOwnAffairs."""
    https: str
    """Our own https listener, as in `https://mail.example.org`; empty: there is none that others could reach."""
    allow_plaintext: bool
    """Passwords may go over the net in the clear."""


def console(entrance: Entrance, clock: IReactorTime) -> Mapping[str, IResource]:
    """Path -> page."""
    sessions = Sessions(clock)
    login = LoginPage(entrance.portal, sessions, entrance.https, entrance.allow_plaintext)
    gate = Gate(sessions)
    return {
        LOGIN: Page(get=login.show, post=login.take),
        LOGOUT: gate.page(_home, login.leave),
        ownpages.OWN: gate.page(ownpages.show, ownpages.take),
        junkpage.JUNK: gate.page(junkpage.show, junkpage.take),
        rulespage.RULES: gate.page(rulespage.show, rulespage.take),
        overviewpage.OVERVIEW: gate.administration(overviewpage.show),
        f"{accountpages.ACCOUNTS}/": gate.administration(accountpages.show, accountpages.take),
        addresspages.ALIASES: gate.administration(addresspages.show_aliases, addresspages.take_alias),
        addresspages.DOMAINS: gate.administration(addresspages.show_domains, addresspages.take_domain),
        f"{queuepages.QUEUE}/": gate.administration(queuepages.show, queuepages.take),
        recordpages.ACTIVITY: gate.administration(recordpages.show_recent),
        recordpages.STORY: gate.administration(recordpages.show_stories),
        checkpage.CHECKS: gate.administration(checkpage.show, checkpage.take),
        **assets(),
    }


async def _home(request: WebRequest, session: Session) -> Answer:
    return redirect(ADMINISTRATION if session.administration is not None else ownpages.OWN)
