"""Filters by others and filters in Python, put together: for each listener a target behind those that watch it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted_mail.config import Config, ConfigError
from twisted_mail.filterconfig import Filter
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.policy.filters import contract
from twisted_mail.policy.filters.filtered import Filtered, Stage
from twisted_mail.policy.filters.python import PythonFilter, find_plugin


class Filtering:
    """The filters of one process.  Raises ConfigError: one of them cannot be there."""

    def __init__(self, config: Config, reactor: Any) -> None:
        self._config = config
        self._reactor = reactor
        self._stages = {name: self._stage(name, each) for name, each in config.filters.items()}

    def around(self, listener: str, target: IDeliveryTarget) -> IDeliveryTarget:
        """*target* for what comes in at *listener*."""
        stages = [stage for name, stage in self._stages.items() if listener in self._config.filters[name].listeners]
        return Filtered(target, stages) if stages else target

    def _stage(self, name: str, each: Filter) -> Stage:
        return Stage(name, _KINDS[each.kind](self, name, each), each.consequence)

    def _python(self, name: str, each: Filter) -> contract.Filter:
        try:
            plugin = find_plugin(name)
        except LookupError as error:
            raise ConfigError(f"{self._config.file}: filters.{name}: {error}") from error
        return PythonFilter(plugin, each.timeout, self._reactor)


_KINDS: Mapping[str, Callable[[Filtering, str, Filter], contract.Filter]] = {"python": Filtering._python}
