"""Logging in through twisted.cred, for SMTP and POP3 alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.cred.credentials import ICredentials
from twisted.cred.portal import Portal

from twisted_mail.smtp.envelope import Origin

Avatar = TypeVar("Avatar")


async def log_in(
    portal: Portal, credentials: ICredentials, origin: Origin, interface: type[Avatar]
) -> tuple[Avatar, Callable[[], None]]:
    """The avatar for *interface* and what ends the login.  *origin* is the mind: an avatar may say who is there.

    Raises UnauthorizedLogin or LoginUnavailable, and what making the avatar raises (MaildropLocked, OSError).
    """
    _, avatar, log_out = await portal.login(credentials, origin, interface)  # type: ignore[arg-type]  # mypy-zope
    return avatar, log_out  # type: ignore[return-value]  # cred says object; the realm gave what was asked for
