"""Logging in through twisted.cred, and what SASL exchanges need for it, for SMTP and POP3 alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from twisted.cred.credentials import ICredentials
from twisted.cred.portal import Portal

from twisted_mail.interfaces import IInquiries, PasswordLogin, ProvenLogin
from twisted_mail.mechanisms import CertificateWanted, Certified
from twisted_mail.protocols.tls import certified_addresses, channel_binding
from twisted_mail.sasl import Credentials, Inquiry, PasswordCredentials
from twisted_mail.scram import Secret, SecretWanted
from twisted_mail.smtp.envelope import Origin

Avatar = TypeVar("Avatar")


def login_of(credentials: Credentials, origin: Origin) -> PasswordLogin | ProvenLogin:
    """What an exchange gave, as cred's checkers take it."""
    if isinstance(credentials, PasswordCredentials):
        return PasswordLogin(credentials.user, credentials.password, origin)
    return ProvenLogin(credentials.user, credentials.proven, credentials.secret, origin)


async def answer_inquiry(inquiries: IInquiries, inquiry: Inquiry, origin: Origin, handle: Any) -> object:
    """The answer for the exchange; *handle*: of the transport.  Raises LoginUnavailable."""
    if isinstance(inquiry, CertificateWanted):
        return Certified(certified_addresses(handle))
    answer = await inquiries.answer(inquiry, origin)
    if isinstance(inquiry, SecretWanted) and isinstance(answer, Secret):
        return replace(answer, binding=channel_binding(handle, inquiry.binding))
    return answer


async def log_in(
    portal: Portal, credentials: ICredentials, origin: Origin, interface: type[Avatar]
) -> tuple[Avatar, Callable[[], None]]:
    """The avatar for *interface* and what ends the login.  *origin* is the mind: an avatar may say who is there.

    Raises UnauthorizedLogin or LoginUnavailable, and what making the avatar raises (MaildropLocked, OSError).
    """
    _, avatar, log_out = await portal.login(credentials, origin, interface)  # type: ignore[arg-type]  # mypy-zope
    return avatar, log_out  # type: ignore[return-value]  # cred says object; the realm gave what was asked for
