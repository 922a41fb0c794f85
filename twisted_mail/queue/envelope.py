"""A queue entry as the text of its envelope file: JSON that a person can read, and repair, with any editor.

What has its default value is left out.  Addresses are written without quoting: the last @ parts them, whatever the
local part holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from twisted_mail.queue.entry import LastAttempt, PendingReport, QueuedRecipient, QueueEntry, State
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import (
    Body,
    DeliverBy,
    MailOptions,
    Notify,
    Origin,
    Overdue,
    Recipient,
    RecipientOptions,
    Return,
)
from twisted_mail.smtp.reply import Reply

VERSION = 1

# JSON gives what it gives: each field is checked by the constructor or the enum that takes it
JSON = dict[str, Any]


class EnvelopeError(ValueError):
    """The file is no envelope, or one of a later version of this program."""


def encode(entry: QueueEntry) -> bytes:
    record: JSON = {
        "version": VERSION,
        "id": entry.id,
        "created": entry.created,
        "sender": None if entry.sender is None else _address_text(entry.sender),
        "origin": _written(entry.origin, _NO_ORIGIN, _ORIGIN),
        "options": _written(entry.options, MailOptions(), _MAIL),
        "message": {"header": entry.header_size, "size": entry.size, "lines": entry.lines},
        "held": entry.held,
        "report": None if entry.report is None else {"id": entry.report.id, "due": entry.report.due},
        "recipients": [_recipient_record(each) for each in entry.recipients],
    }
    return json.dumps(record, indent=1).encode() + b"\n"


def decode(text: bytes) -> QueueEntry:
    """Raises EnvelopeError."""
    try:
        record = json.loads(text)
        if record["version"] != VERSION:
            raise EnvelopeError(f"an envelope of version {record['version']}, which this program does not know")
        message, report = record["message"], record["report"]
        return QueueEntry(
            id=record["id"],
            created=record["created"],
            origin=_read(_NO_ORIGIN, record["origin"], _ORIGIN),
            sender=None if record["sender"] is None else _address(record["sender"]),
            options=_read(MailOptions(), record["options"], _MAIL),
            recipients=tuple(_recipient(each) for each in record["recipients"]),
            header_size=message["header"],
            size=message["size"],
            lines=message["lines"],
            held=record["held"],
            report=None if report is None else PendingReport(report["id"], report["due"]),
        )
    except EnvelopeError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EnvelopeError(f"not an envelope: {type(error).__name__}: {error}") from error


def _recipient_record(each: QueuedRecipient) -> JSON:
    record: JSON = {
        "address": _address_text(each.recipient.address),
        "options": _written(each.recipient.options, RecipientOptions(), _RCPT),
        "state": each.state.value,
        "due": each.due,
        "attempts": each.attempts,
        "told": _flags(each.told),
    }
    if each.last is not None:
        last = each.last
        record["last"] = {
            "at": last.at,
            "code": last.reply.code,
            "detail": last.reply.detail,
            "text": last.reply.text,
            "host": last.host,
            "by_remote": last.by_remote,
            "dialogue": last.dialogue,
        }
    return record


def _recipient(record: JSON) -> QueuedRecipient:
    last = None
    if (said := record.get("last")) is not None:
        reply = Reply(said["code"], said["detail"], said["text"])
        last = LastAttempt(said["at"], reply, said["host"], said["dialogue"], said["by_remote"])
    return QueuedRecipient(
        Recipient(_address(record["address"]), _read(RecipientOptions(), record["options"], _RCPT)),
        record["due"],
        State(record["state"]),
        record["attempts"],
        _notify(record["told"]),
        last,
    )


def _address_text(address: Address) -> str:
    return f"{address.local_part}@{address.domain}"


def _address(text: str) -> Address:
    local_part, _, domain = text.rpartition("@")
    return Address(local_part, domain)


def _flags(notify: Notify) -> list[str]:
    return [flag.name for flag in Notify if flag & notify and flag.name]


def _notify(names: list[str]) -> Notify:
    found = Notify.NEVER
    for name in names:
        found |= Notify[name]
    return found


def _release_text(release: timedelta | datetime) -> float | str:
    return release.total_seconds() if isinstance(release, timedelta) else release.isoformat()


def _release(value: float | str) -> timedelta | datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else timedelta(seconds=value)


def _same(value: Any) -> Any:
    return value


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
_PLAIN: Codec = (_same, _same)

_MAIL: Mapping[str, Codec] = {
    "size": _PLAIN,
    "body": (lambda body: body.value, Body),
    "smtputf8": _PLAIN,
    "auth": _PLAIN,
    "ret": (lambda ret: ret.value, Return),
    "envelope_id": _PLAIN,
    "require_tls": _PLAIN,
    "deliver_by": (
        lambda by: [by.seconds, by.overdue.value, by.trace],
        lambda value: DeliverBy(value[0], Overdue(value[1]), value[2]),
    ),
    "release": (_release_text, _release),
    "priority": _PLAIN,
    "solicit": (list, tuple),
}
_RCPT: Mapping[str, Codec] = {"notify": (_flags, _notify), "original_recipient": _PLAIN}
_ORIGIN: Mapping[str, Codec] = {
    "peer": _PLAIN,
    "session": _PLAIN,
    "protocol": _PLAIN,
    "hello": _PLAIN,
    "extended": _PLAIN,
    "user": _PLAIN,
}
"""Field -> how it is written and read.  TLS of the session it came by is told in Received, and not kept here."""

_NO_ORIGIN = Origin(peer="", session="")

Fields = TypeVar("Fields", MailOptions, RecipientOptions, Origin)


def _written(value: Fields, default: Fields, fields: Mapping[str, Codec]) -> JSON:
    return {
        name: write(getattr(value, name))
        for name, (write, _) in fields.items()
        if getattr(value, name) != getattr(default, name)
    }


def _read(default: Fields, record: JSON, fields: Mapping[str, Codec]) -> Fields:
    return replace(default, **{name: fields[name][1](value) for name, value in record.items()})
