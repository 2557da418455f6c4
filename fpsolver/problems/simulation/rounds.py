"""Blocks of walkers shared among ranks, which meet once per round.

Ranks have different amounts of work: blocks end at different times. So each works for a while and then meets the
others, until all have finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from mpi4py import MPI

from fpsolver.problems.keeper import Keeper
from fpsolver.runtime import agree
from fpsolver.simulation.blocks import Block, Work

ROUND = 0.25
"""Seconds between two meetings."""


def shared(
    comm: MPI.Intracomm,
    name: str,
    count: int,
    begin: Callable[[int], Work],
    keeper: Keeper,
    heartbeat: Callable[[], None],
    progress: Callable[[float], None],
) -> list[Block]:
    """All blocks, in their order, on all ranks. Collective.

    Args:
        comm: The ranks; block b is the work of rank b modulo their number.
        name: Of what is kept.
        count: Number of blocks.
        begin: Number of a block -> its work.
        keeper: Where finished blocks are kept.
        heartbeat: Called once per round on all ranks.
        progress: Takes the finished share.

    Raises:
        SolverFailed: A walker went astray, on any rank.
        Stopped: The heartbeat said so.
    """
    done = _recalled(keeper, name)
    waiting = [block for block in range(count) if block not in done][comm.rank :: comm.size]
    current: tuple[int, Work] | None = None
    finished: dict[int, Block] = {}
    while True:
        error: Exception | None = None
        until = time.monotonic() + ROUND
        try:
            while time.monotonic() < until and (current is not None or waiting):
                if current is None:
                    number = waiting.pop(0)
                    current = number, begin(number)
                try:
                    next(current[1])
                except StopIteration as ended:
                    finished[current[0]] = ended.value
                    current = None
        except Exception as raised:
            error = raised
        agree(comm, error)
        for part in comm.allgather(finished):
            done |= part
        finished = {}
        progress(len(done) / count)
        if keeper.is_due():
            _keep(keeper, name, done)
        if len(done) == count:
            return [done[block] for block in range(count)]
        heartbeat()


def _keep(keeper: Keeper, name: str, done: Mapping[int, Block]) -> None:
    blocks: Sequence[object] = [[number, asdict(block)] for number, block in sorted(done.items())]
    keeper.keep(name, {"blocks": blocks}, np.zeros((0, 1)), {})


def _recalled(keeper: Keeper, name: str) -> dict[int, Block]:
    kept = keeper.recall(name)
    return {} if kept is None else {number: Block(**block) for number, block in kept.facts["blocks"]}
