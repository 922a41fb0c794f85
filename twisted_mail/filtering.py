"""Filters by others and filters in Python, put together: for each listener a target behind those that watch it.

Each kind of filter is imported where one is made: most servers have none or one, and they bring libraries along.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from twisted.internet.endpoints import clientFromString

from twisted_mail.config import Config, ConfigError
from twisted_mail.content import Blocking, MessageBuilder
from twisted_mail.filterconfig import Filter
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.policy.filters import contract
from twisted_mail.policy.filters.filtered import Filtered, Stage
from twisted_mail.protocols.stream import Stream, StreamFactory


def check_filters(config: Config, reactor: Any) -> None:
    """Raises ConfigError: one of them cannot be there."""

    def not_yet(*about: object) -> Any:
        raise NotImplementedError("only looked at, not used")

    Filtering(config, not_yet, not_yet, reactor)


class Filtering:
    """The filters of one process.  Raises ConfigError: one of them cannot be there."""

    def __init__(self, config: Config, disk: Blocking, new_message: Callable[[], MessageBuilder], reactor: Any) -> None:
        """*disk*: how to wait for it; *new_message*: for what a filter replaces."""
        self._config = config
        self._disk = disk
        self._new_message = new_message
        self._reactor = reactor
        self._stages = {name: self._stage(name, each) for name, each in config.filters.items()}

    def around(self, listener: str, target: IDeliveryTarget) -> IDeliveryTarget:
        """*target* for what comes in at *listener*."""
        stages = [stage for name, stage in self._stages.items() if listener in self._config.filters[name].listeners]
        return Filtered(target, stages) if stages else target

    def _stage(self, name: str, each: Filter) -> Stage:
        return Stage(name, _KINDS[each.kind](self, name, each), each.consequence)

    def _python(self, name: str, each: Filter) -> contract.Filter:
        from twisted_mail.policy.filters.python import PythonFilter, find_plugin

        try:
            plugin = find_plugin(name)
        except LookupError as error:
            raise ConfigError(f"{self._config.file}: filters.{name}: {error}") from error
        return PythonFilter(plugin, each.timeout, self._reactor)

    def _milter(self, name: str, each: Filter) -> contract.Filter:
        from twisted_mail.policy.milter.asked import Milter, MilterOptions

        options = MilterOptions(
            self._connection(name, each),
            self._config.hostname,
            each.timeout,
            self._config.limits.message_size,
            self._new_message,
            self._disk,
            self._reactor,
        )
        return Milter(options)

    def _rspamd(self, name: str, each: Filter) -> contract.Filter:
        from twisted_mail.policy.filters.rspamd import Rspamd

        return Rspamd(self._endpoint(name, each), self._config.hostname, each.timeout, self._reactor)

    def _clamav(self, name: str, each: Filter) -> contract.Filter:
        from twisted_mail.policy.filters.clamav import ClamAV, ClamAVOptions

        return ClamAV(ClamAVOptions(self._connection(name, each), each.timeout, self._disk, self._reactor))

    def _connection(self, name: str, each: Filter) -> Callable[[], Awaitable[Stream]]:
        """Opens one to the endpoint of a filter."""
        endpoint, factory = self._endpoint(name, each), StreamFactory()
        return lambda: cast(Awaitable[Stream], endpoint.connect(factory))

    def _endpoint(self, name: str, each: Filter) -> Any:
        where = f"{self._config.file}: filters.{name}"
        if not each.endpoint:
            raise ConfigError(f'{where}: needs to know where it listens; write endpoint = "unix:/run/{name}.sock"')
        try:
            return clientFromString(self._reactor, each.endpoint)
        except (ValueError, TypeError, KeyError) as error:
            hint = 'write it like "unix:/run/filter.sock" or "tcp:127.0.0.1:8891"'
            raise ConfigError(f'{where}: "{each.endpoint}" is not an endpoint ({error}); {hint}') from error


_KINDS: Mapping[str, Callable[[Filtering, str, Filter], contract.Filter]] = {
    "python": Filtering._python,
    "milter": Filtering._milter,
    "rspamd": Filtering._rspamd,
    "clamav": Filtering._clamav,
}
