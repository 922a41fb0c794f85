"""How fast the server is, against Postfix and Dovecot where they are installed.

    python -m benchmarks [--quick] [--pairs 3] [--workers 1] [--no-peers] [WORKLOAD ...]

Each workload runs on our server and on its peer in turns, each time a fresh server with a folder of its own; what is
printed is the medians, and the ratio pair by pair: over 1, ours is better.  Ratios taken in turns are worth more than
the figures, which move with whatever else the machine does.  Peers need root, because they change users.

Nothing is deleted before the end: on ext4 the files deleted in the last minutes slow down the creation of new ones, for
every server.  For the same reason, wait some minutes between two calls.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from benchmarks.load import machine
from benchmarks.servers import PEERS, Certificate, Start, make_certificate, missing, ours
from benchmarks.workloads import WORKLOADS, Figures, Workload, chosen

QUICK = 0.1
"""Of the whole workload."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One column of `Figures`."""

    field: str
    title: str
    more_is_better: bool

    def of(self, runs: list[Figures]) -> list[float]:
        return [getattr(run, self.field) for run in runs]

    def ratios(self, ours: list[Figures], peer: list[Figures]) -> list[float]:
        """Over 1: ours is better."""
        pairs = zip(self.of(ours), self.of(peer), strict=True)
        return [(a / b if self.more_is_better else b / a) for a, b in pairs if a and b]


MEASURES = (
    Measure("rate", "per second", True),
    Measure("p99", "p99 ms", False),
    Measure("cpu", "CPU-s per 1000", False),
    Measure("memory", "MiB", False),
)
assert [measure.field for measure in MEASURES] == [field.name for field in fields(Figures)]


def main() -> None:
    """Print a table in Markdown; with --json, a line of JSON a workload as well."""
    options = _options()
    _raise_descriptor_limit()
    folder = Path(tempfile.mkdtemp(prefix="mailserver-benchmark-", dir=options.folder))
    folder.chmod(0o755)
    try:
        certificate = make_certificate(folder)
        print(f"{time.strftime('%d %b %Y %H:%M')}, {machine()}, {options.workers} worker(s), {options.pairs} pair(s)\n")
        print("| workload | | " + " | ".join(f"{m.title}: ours" for m in MEASURES) + " | peer | ratio of the rates |")
        print("|---|---|" + "---:|" * len(MEASURES) + "---|---|", flush=True)
        for workload in chosen(options.workloads):
            _print_row(workload, *_in_turns(workload, options, folder, certificate), options.json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    summary = (__doc__ or "").partition("\n")[0]
    table = "\n".join(f"  {each.name:5} {each.text}, against {each.peer or 'nobody'}" for each in WORKLOADS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{summary}\n\nworkloads:\n{table}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="default: all")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, one pair")
    parser.add_argument("--workers", type=int, default=1, help="processes of our server")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--folder", default="/var/tmp", help="on the file system to measure")
    parser.add_argument("--json", type=Path, help="a file to add the figures to")
    options = parser.parse_args()
    unknown = set(options.workloads) - {each.name for each in WORKLOADS}
    if unknown:
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    if options.quick:
        options.pairs = 1
    return options


def _in_turns(
    workload: Workload, options: argparse.Namespace, folder: Path, certificate: Certificate
) -> tuple[list[Figures], list[Figures], str]:
    """Figures of ours and of the peer, pair by pair, and who the peer is or why there is none."""
    reason = "" if not workload.peer or options.no_peers else missing(workload.peer)
    sides: dict[str, Start] = {"ours": partial(ours, workers=options.workers)}
    if workload.peer and not options.no_peers and not reason:
        sides[workload.peer] = PEERS[workload.peer]
    figures: dict[str, list[Figures]] = {name: [] for name in sides}
    for pair in range(options.pairs):
        for name in sides if pair % 2 == 0 else reversed(sides):  # A B, B A: whatever drifts, drifts for both
            place = Path(tempfile.mkdtemp(prefix=f"{workload.name}-{name}-", dir=folder))
            place.chmod(0o755)
            with sides[name](place, certificate if workload.tls else None) as server:
                figures[name].append(workload.run(server, QUICK if options.quick else 1.0))
    peer = f"({workload.peer}: {reason})" if reason else workload.peer if len(sides) > 1 else ""
    return figures["ours"], figures.get(workload.peer, []), peer


def _print_row(workload: Workload, ours: list[Figures], theirs: list[Figures], peer: str, file: Path | None) -> None:
    cells = []
    ratios = {measure.field: measure.ratios(ours, theirs) for measure in MEASURES} if theirs else {}
    for measure in MEASURES:
        mine = statistics.median(measure.of(ours))
        other = f" ({statistics.median(measure.of(theirs)):.3g})" if theirs else ""
        cells.append(f"{mine:.3g}{other}")
    rates = ratios.get("rate", [])
    ratio = f"{statistics.median(rates):.2f} ({min(rates):.2f} to {max(rates):.2f})" if rates else ""
    if costs := ratios.get("cpu", []):
        ratio += f", CPU {1 / statistics.median(costs):.2f}"
    print(f"| {workload.name} | {workload.text} | {' | '.join(cells)} | {peer} | {ratio} |", flush=True)
    if file is not None:
        with file.open("a") as lines:
            lines.write(json.dumps({"workload": workload.name, "peer": peer, "ratios": ratios}) + "\n")


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
