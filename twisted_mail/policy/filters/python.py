"""Filters in Python: plugins that provide IMessageFilter, found by their names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.plugin import getPlugins

from twisted_mail.content import Message
from twisted_mail.interfaces import IMessageFilter
from twisted_mail.policy.filters.contract import FilterRaised, Inspection, Mail, in_time
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

REMEMBERED = 1000
"""Sessions of which the hook `connection` is not asked again."""

T = TypeVar("T")


def find_plugin(name: str, plugins: Iterable[Any] | None = None) -> Any:
    """The filter of that name.  Raises LookupError, in words for who wrote the configuration."""
    found = getPlugins(IMessageFilter) if plugins is None else plugins
    names = []
    for plugin in found:
        if plugin.name == name:
            return plugin
        names.append(plugin.name)
    there = f"there is {', '.join(sorted(names))}" if names else "there is none"
    raise LookupError(f'no plugin in twisted.plugins provides a filter "{name}"; {there}')


class PythonFilter:
    """One plugin, with *seconds* for each of its hooks."""

    def __init__(self, plugin: Any, seconds: float, clock: IReactorTime) -> None:
        self._plugin = plugin
        self._seconds = seconds
        self._clock = clock
        self._sessions: OrderedDict[str, SMTPError | None] = OrderedDict()
        """What was said of the connection."""

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> Inspection:
        await self._connection(origin)
        await self.ask(self._plugin.sender, origin, sender, options)
        return _PythonInspection(self, self._plugin, origin, sender)

    async def _connection(self, origin: Origin) -> None:
        if origin.session in self._sessions:
            self._sessions.move_to_end(origin.session)
        else:
            refusal = None
            try:
                await self.ask(self._plugin.connection, origin)
            except SMTPError as error:
                refusal = error
            self._sessions[origin.session] = refusal
            if len(self._sessions) > REMEMBERED:
                self._sessions.popitem(last=False)
        if said := self._sessions[origin.session]:
            raise SMTPError(said.reply)

    async def ask(self, hook: Any, *about: object) -> Any:
        """What *hook* says.  Raises SMTPError or FilterFailed."""
        return await in_time(self._seconds, _answer(hook, *about), self._clock)


class _PythonInspection:
    def __init__(self, asked: PythonFilter, plugin: Any, origin: Origin, sender: Address | None) -> None:
        self._asked = asked
        self._plugin = plugin
        self._origin = origin
        self._sender = sender

    async def recipient(self, recipient: Recipient) -> None:
        await self._asked.ask(self._plugin.recipient, self._origin, self._sender, recipient)

    async def message(self, mail: Mail) -> Mail:
        changed = await self._asked.ask(self._plugin.message, self._origin, mail.sender, mail.recipients, mail.message)
        if changed is None or changed is mail.message:
            return mail
        if not isinstance(changed, Message):
            raise FilterRaised(f"its hook message gave a {type(changed).__name__}, neither a Message nor None")
        return Mail(mail.sender, mail.recipients, changed)

    def abort(self) -> None:
        pass


async def _answer(hook: Any, *about: object) -> Any:
    try:
        answer: Awaitable[Any] = hook(*about)
        return await answer
    except (SMTPError, CancelledError):
        raise
    except Exception as error:
        raise FilterRaised(f"its hook {getattr(hook, '__name__', hook)} raised {type(error).__name__}") from error
