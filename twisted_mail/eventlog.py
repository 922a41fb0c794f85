"""A twisted.logger for what happens with each message: the same events for half the price.

Twisted's own makes a logger for each object that has something to say, and compares an event's level with a sorted list
of all that there are: 2 us an event.
"""

from __future__ import annotations

from time import time

from twisted.logger import Logger, LogLevel


class EventLog(Logger):
    """As an attribute of a class: each subclass has one for all its instances, and is its `log_source`."""

    def __init__(self, namespace: str | None = None, source: object | None = None) -> None:
        super().__init__(namespace, source)
        self._of: dict[type, EventLog] = {}

    def __get__(self, instance: object, owner: type | None = None) -> Logger:
        assert owner is not None
        known = self._of.get(owner)
        if known is None:
            known = self._of[owner] = EventLog(f"{owner.__module__}.{owner.__name__}", owner)
        return known

    def emit(self, level: LogLevel, format: str | None = None, **kwargs: object) -> None:
        """*level*: one of those that there are."""
        kwargs["log_logger"] = self
        kwargs["log_level"] = level
        kwargs["log_namespace"] = self.namespace
        kwargs["log_source"] = self.source
        kwargs["log_format"] = format
        kwargs["log_time"] = time()
        self.observer(kwargs)
