"""The command of each fuzzer: so many inputs for each of its targets, each from a seed of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from random import Random
from time import process_time

Target = Callable[[Random], None]


def bounded(target: Target, random: Random, limit: float) -> None:
    """One input, in *limit* seconds of processor time."""
    start = process_time()
    target(random)
    took = process_time() - start
    assert took < limit, f"{took:.2f} seconds"


def run(about: str | None, targets: Mapping[str, Target], inputs: int) -> None:
    """Read the command line and feed the targets; *inputs*: for each, where it names no number.

    A failure names the seed of its input.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=inputs, help="for each target")
    parser.add_argument("--seed", type=int, default=1, help="of the first input; the next has the next one")
    parser.add_argument("--only", choices=targets, action="append")
    arguments = parser.parse_args()
    for name in arguments.only or targets:
        for seed in range(arguments.seed, arguments.seed + arguments.inputs):
            try:
                targets[name](Random(seed))
            except BaseException:
                print(f"failed: --only {name} --seed {seed} --inputs 1")
                raise
        print(f"{name}: {arguments.inputs} inputs")
