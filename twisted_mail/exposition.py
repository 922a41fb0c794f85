"""Numbers as text for Prometheus: the exposition format, version 0.0.4.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of numbers."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, rising; the last bucket, which has all, is not named."""


Values = Mapping[tuple[str, ...], float | Sequence[float]]
"""Of one metric: the values of its labels -> the number; of a histogram the count of each bucket (not of those below
it), of what is in none of them, and the sum of all that was observed."""


def exposition(numbers: Iterable[tuple[Metric, Values]]) -> str:
    """The whole text.  A metric without a value is left out."""
    return "".join(line for metric, values in numbers if values for line in _family(metric, values))


def _family(metric: Metric, values: Values) -> Iterable[str]:
    yield f"# HELP {metric.name} {_escaped(metric.help)}\n"
    yield f"# TYPE {metric.name} {metric.kind.value}\n"
    for labels, value in sorted(values.items()):
        pairs = [f'{name}="{_escaped(text, quoted=True)}"' for name, text in zip(metric.labels, labels, strict=True)]
        if isinstance(value, Sequence):
            yield from _histogram(metric, pairs, value)
        else:
            yield _sample(metric.name, pairs, value)


def _histogram(metric: Metric, pairs: list[str], value: Sequence[float]) -> Iterable[str]:
    *counts, total = value
    seen = 0.0
    for bound, count in zip((*metric.buckets, math.inf), counts, strict=True):
        seen += count
        yield _sample(f"{metric.name}_bucket", [*pairs, f'le="{_number(bound)}"'], seen)
    yield _sample(f"{metric.name}_sum", pairs, total)
    yield _sample(f"{metric.name}_count", pairs, seen)


def _sample(name: str, pairs: list[str], value: float) -> str:
    labels = f"{{{','.join(pairs)}}}" if pairs else ""
    return f"{name}{labels} {_number(value)}\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str, *, quoted: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text
