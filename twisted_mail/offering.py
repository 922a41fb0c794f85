"""Which EHLO words each service offers: those whose promise is kept by what stands behind it (docs/decisions/0018)."""

from __future__ import annotations

from twisted_mail.config import Config
from twisted_mail.smtp.options import SessionOptions

EVERYWHERE = ("DELIVERBY", "MT-PRIORITY", "NO-SOLICITING", "REQUIRETLS")


def session_options(config: Config, service: str, *, tls_available: bool, sends: bool) -> SessionOptions:
    """For *service* of [listen].  *sends*: mail to other domains is sent on, so that anybody can be reached.

    Who logs in is not decided here: `mechanisms` is empty.
    """
    submission, lmtp = service.startswith("submission"), service == "lmtp"
    words = list(EVERYWHERE)
    # a report must be able to reach its sender: who submits is always one of ours
    if submission or sends or config.file is None:
        words.append("DSN")
    # what is binary is encoded anew: from another server, that would spoil the signature of the message
    if submission or lmtp:
        words.append("BINARYMIME")
    return SessionOptions(
        hostname=config.hostname,
        lmtp=lmtp,
        submission=submission,
        tls_available=tls_available,
        plaintext_auth=config.auth.allow_plaintext,
        max_size=config.limits.message_size,
        max_recipients=config.limits.recipients,
        max_transactions=config.limits.transactions,
        chunking=True,
        extensions=tuple(words),
        max_hold=config.limits.hold if submission and sends else 0,  # only the queue can hold
    )
