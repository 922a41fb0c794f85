"""`Lookups` over a table, for the evaluators: the table is written as for tests/integration/zones.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted_mail.policy.dns import LookupFailed

FAILS = "fails"
"""A name for which DNS does not answer."""

Table = Mapping[str, Mapping[str, Sequence[str]] | str]


class Records:
    """Name -> kind -> records as text; `asked` counts the questions."""

    def __init__(self, table: Table) -> None:
        self._table = {name.lower(): records for name, records in table.items()}
        self.asked: list[str] = []

    async def txt(self, name: str) -> tuple[bytes, ...]:
        return tuple(text.encode("latin-1") for text in self._find("TXT", name))

    async def addresses(self, name: str, family: int) -> tuple[str, ...]:
        return tuple(self._find("A" if family == 4 else "AAAA", name))

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        pairs = (text.split() for text in self._find("MX", name))
        return tuple(sorted((int(pair[0]), pair[1].rstrip(".").lower() if pair[1:] else "") for pair in pairs))

    async def ptr(self, address: str) -> tuple[str, ...]:
        return tuple(text.rstrip(".").lower() for text in self._find("PTR", address))

    def _find(self, kind: str, name: str, depth: int = 0) -> Sequence[str]:
        self.asked.append(f"{kind} {name}")
        found = self._table.get(name.lower().rstrip("."), {})
        if found == FAILS or (not isinstance(found, str) and FAILS in found.get(kind, ())):
            raise LookupFailed(f"{name}: SERVFAIL")
        assert not isinstance(found, str)
        if "CNAME" in found:
            if depth > 5:
                raise LookupFailed(f"{name}: aliases in a circle")
            return self._find(kind, found["CNAME"][0], depth + 1)
        return found.get(kind, ())
