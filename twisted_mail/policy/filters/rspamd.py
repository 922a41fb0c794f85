"""Rspamd over HTTP (/checkv2): the message and its envelope go there, and a verdict with reasons comes back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.filecontents import SpilledBody
from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.message.header import without_field
from twisted_mail.policy.filters.contract import FilterFailed, Inspection, Mail, in_time
from twisted_mail.printable import printable
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

MAX_ANSWER = 1024 * 1024
"""Octets."""

_SPAM = Reply(554, "7.1", "This message is spam, says a filter of this server")
_LATER = Reply(451, "7.1", "Try again later, says a filter of this server")
REFUSALS: Mapping[str, Reply] = {"reject": _SPAM, "soft reject": _LATER, "greylist": _LATER}
MARKS = ("add header", "rewrite subject", "quarantine")
"""Verdicts with which it is delivered, as junk."""


@implementer(IAgentEndpointFactory)
@dataclass(frozen=True, slots=True)
class _Always:
    """Whatever the address says."""

    endpoint: Any

    def endpointForURI(self, uri: object) -> Any:
        return self.endpoint


class Rspamd:
    """Asked about whole messages only."""

    def __init__(self, endpoint: Any, hostname: str, seconds: float, reactor: Any) -> None:
        """*endpoint*: a client endpoint."""
        pool = HTTPConnectionPool(reactor, persistent=False)
        self._agent = Agent.usingEndpointFactory(reactor, _Always(endpoint), pool)
        self._hostname = hostname
        self._seconds = seconds
        self._clock = reactor

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> Inspection:
        return _Check(self, origin)

    async def verdict(self, origin: Origin, mail: Mail) -> Mapping[str, Any]:
        """Raises FilterFailed."""
        try:
            found = json.loads(await in_time(self._seconds, self._post(origin, mail), self._clock))
        except (FilterFailed, CancelledError):
            raise
        except Exception as error:  # whatever HTTP, the endpoint and JSON raise
            raise FilterFailed(f"it cannot be asked ({error})") from error
        if not isinstance(found, dict) or not isinstance(found.get("action"), str):
            raise FilterFailed("its answer has no action")
        return found

    async def _post(self, origin: Origin, mail: Mail) -> bytes:
        headers = Headers({name: values for name, values in self._about(origin, mail).items() if values})
        body = FileBodyProducer(_MessageFile(mail.message))
        response: Any = await self._agent.request(b"POST", b"http://rspamd/checkv2", headers, body)
        if response.code != 200 or not isinstance(response.length, int) or response.length > MAX_ANSWER:
            raise FilterFailed(f"it answers with status {response.code}")
        octets = await readBody(response)
        assert isinstance(octets, bytes)
        return octets

    def _about(self, origin: Origin, mail: Mail) -> dict[str, list[str]]:
        texts = {
            "IP": origin.peer,
            "Helo": origin.hello,
            "From": str(mail.sender or ""),
            "User": origin.user,
            "Queue-Id": mail.message.id,
            "MTA-Name": self._hostname,
        }
        found = {name: [printable(text)] for name, text in texts.items() if text}
        return found | {"Rcpt": [printable(str(each.address)) for each in mail.recipients]}


class _Check:
    def __init__(self, rspamd: Rspamd, origin: Origin) -> None:
        self._rspamd = rspamd
        self._origin = origin

    async def recipient(self, recipient: Recipient) -> None:
        pass

    async def message(self, mail: Mail) -> Mail:
        found = await self._rspamd.verdict(self._origin, mail)
        action = found["action"]
        if (refusal := REFUSALS.get(action)) is not None:
            said = found.get("messages")
            words = said.get("smtp_message") if isinstance(said, dict) else None
            raise SMTPError(replace(refusal, text=printable(words)) if isinstance(words, str) and words else refusal)
        try:
            changed = _marked(mail.message, found)
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise FilterFailed("its answer has another form") from error
        if action in MARKS:
            changed = changed.with_evidence(Evidence(ENOUGH, f"rspamd says: {action}{_score(found)}"))
        return mail if changed is mail.message else replace(mail, message=changed)

    def abort(self) -> None:
        pass


class _MessageFile:
    """A message as what HTTP sends; read where it was written a moment ago, so from memory as a rule."""

    def __init__(self, message: Message) -> None:
        self._header = message.header
        self._body = message.body
        self._size = message.size
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        self._position = offset + (self._size if whence == os.SEEK_END else 0)

    def read(self, size: int) -> bytes:
        start = self._position - len(self._header)
        if start < 0:
            piece = self._header[self._position : self._position + size]
        elif isinstance(self._body, SpilledBody):
            size = min(size, len(self._body) - start)
            piece = os.pread(self._body.file.fileno(), size, self._body.start + start)
        else:
            piece = self._body[start : start + size]
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """The message goes on."""


def _marked(message: Message, found: Mapping[str, Any]) -> Message:
    """With what the verdict asks for."""
    header, new = message.header, b""
    milter = found.get("milter") or {}
    for name in milter.get("remove_headers") or {}:
        header = without_field(header, str(name).lower())
    for name, values in (milter.get("add_headers") or {}).items():
        new += b"".join(_field(name, each) for each in _values(values))
    if found["action"] in MARKS:
        header = without_field(header, "x-spam")
        new += _field("X-Spam", "Yes")
    if found["action"] == "rewrite subject" and isinstance(found.get("subject"), str):
        header = without_field(header, "subject")
        new += _field("Subject", found["subject"])
    if header == message.header and not new:
        return message
    changed = message.with_header(header).with_fields(new)
    return changed if header.endswith(b"\n\n") or header == b"\n" else changed.with_header(changed.header + b"\n")


def _score(found: Mapping[str, Any]) -> str:
    numbers = [found.get("score"), found.get("required_score")]
    return f" ({numbers[0]:g} of {numbers[1]:g})" if all(isinstance(each, int | float) for each in numbers) else ""


def _values(values: Any) -> Iterable[str]:
    """A field's value, or several: texts, or objects with one."""
    for each in values if isinstance(values, list) else [values]:
        yield each["value"] if isinstance(each, dict) else str(each)


def _field(name: str, value: str) -> bytes:
    """One that no value can break out of."""
    if not name.isascii() or not name.isprintable() or set(name) & set(": "):
        raise ValueError("no name of a field")
    first, *more = [line.strip() for line in value.splitlines() if line.strip()] or [""]
    return "\n\t".join([f"{name}: {first}", *more]).encode() + b"\n"
