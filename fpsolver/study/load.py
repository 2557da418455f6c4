"""How a run was shared among its ranks, and what each of them held: ``load`` in ``results.json``."""

from __future__ import annotations

import resource
import sys

from mpi4py import MPI

from fpsolver.generator.generator import Generator

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of ``ru_maxrss``."""


def load(comm: MPI.Comm, generator: Generator | None) -> dict[str, object]:
    """Shares of the unknowns and memory, by rank. Collective.

    Args:
        comm: All ranks.
        generator: The one whose unknowns are counted; None where there is none, as all was solved before a restart.

    Returns:
        ``ranks``: of each ``memory``, the most bytes that its process has held so far, its ``unknowns``, the
        ``ghosts`` beside them (unknowns of other ranks that it keeps copies of) and its ``cells``. Of all: ``memory``,
        the most of a rank; ``imbalance``, the most unknowns of a rank over their mean; ``ghost_share``, all ghosts
        over all unknowns. Without a generator there is memory alone.
    """
    mine = {"memory": _UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    if generator is not None:
        unknowns, topology = generator.space.dofmap.index_map, generator.space.mesh.topology
        mine |= {
            "unknowns": int(unknowns.size_local),
            "ghosts": int(unknowns.num_ghosts),
            "cells": int(topology.index_map(topology.dim).size_local),
        }
    ranks = comm.allgather(mine)
    found: dict[str, object] = {"memory": max(entry["memory"] for entry in ranks)}
    if generator is not None:
        owned = [entry["unknowns"] for entry in ranks]
        found["imbalance"] = max(owned) * len(owned) / sum(owned)
        found["ghost_share"] = sum(entry["ghosts"] for entry in ranks) / sum(owned)
    return found | {"ranks": ranks}
