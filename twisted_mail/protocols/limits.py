"""How many connections there may be, in all and from one host."""

from __future__ import annotations

from collections import Counter


class ConnectionLimits:
    """Counts open connections over all listeners of the process."""

    def __init__(self, connections: int, connections_per_host: int) -> None:
        self._connections = connections
        self._per_host = connections_per_host
        self._open = 0
        self._by_host: Counter[str] = Counter()

    @property
    def open(self) -> int:
        return self._open

    def admit(self, host: str) -> str | None:
        """Count one more connection from *host*; a refusal in words, not counted, where it would be too many."""
        if self._open >= self._connections:
            return "Too many connections, try again later"
        if host and self._by_host[host] >= self._per_host:
            return "Too many connections from your address, try again later"
        self._open += 1
        self._by_host[host] += 1
        return None

    def leave(self, host: str) -> None:
        """An admitted connection is closed."""
        self._open -= 1
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]
