"""Pieces of forms: fields with their labels, and forms that say whose session they are from."""

from __future__ import annotations

from itertools import count

from twisted.web.template import Flattenable, Tag, tags

from twisted_mail.web.gate import TOKEN
from twisted_mail.web.sessions import Session

_ids = count()

DO = "do"
"""The field that says which of a page's actions is meant."""


def hidden(name: str, value: str) -> Tag:
    return tags.input(type="hidden", name=name, value=value)


def labelled(text: str, field: Tag) -> Tag:
    """*field* below its label."""
    identifier = f"field{next(_ids) % 100_000}"
    return tags.div(tags.label(text, for_=identifier), field(id=identifier), class_="field")


def written(name: str, **attributes: str) -> Tag:
    """A line of text that must not be empty."""
    return tags.input(name=name, required="required", **{"autocomplete": "off", "spellcheck": "false", **attributes})


def new_password(name: str = "password") -> Tag:
    return tags.input(name=name, type="password", autocomplete="new-password", required="required")


def user_name(address: str) -> Tag:
    """For password stores, not for people: whose password it is."""
    return tags.input(type="text", name="username", value=address, autocomplete="username", hidden="hidden")


def submit(text: str, *, danger: bool = False) -> Tag:
    return tags.button(text, type="submit", class_="danger" if danger else "plain")


def own_form(session: Session, action: str, do: str, *content: Flattenable) -> Tag:
    """A form for the page at *action* to do *do*."""
    return tags.form(
        hidden(TOKEN, session.form_token), hidden(DO, do), *content, method="post", action=action, class_="stacked"
    )


def one_button(session: Session, action: str, do: str, text: str) -> Tag:
    return own_form(session, action, do, submit(text))(class_="inline")


def unfolding(summary: str, *content: Flattenable) -> Tag:
    """What is seen only after a click, or a key."""
    return Tag("details")(Tag("summary")(summary), *content)
