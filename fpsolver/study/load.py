"""How a run was shared among its ranks, and what each of them held: ``load`` in ``results.json``."""

from __future__ import annotations

import resource
import sys

from fpsolver.generator.generator import Generator

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of ``ru_maxrss``."""


def load(generator: Generator) -> dict[str, object]:
    """Shares of the unknowns and memory, by rank. Collective.

    Args:
        generator: The one whose unknowns are counted.

    Returns:
        ``ranks``: of each its ``unknowns``, the ``ghosts`` beside them (unknowns of other ranks that it keeps copies
        of), its ``cells``, and ``memory``, the most bytes that its process has held so far. Of all: ``imbalance``, the
        most unknowns of a rank over their mean; ``ghost_share``, all ghosts over all unknowns; ``memory``, the most of
        a rank.
    """
    unknowns = generator.space.dofmap.index_map
    cells = generator.space.mesh.topology.index_map(generator.space.mesh.topology.dim)
    mine = {
        "unknowns": int(unknowns.size_local),
        "ghosts": int(unknowns.num_ghosts),
        "cells": int(cells.size_local),
        "memory": _UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    ranks = generator.comm.allgather(mine)
    owned = [entry["unknowns"] for entry in ranks]
    return {
        "ranks": ranks,
        "imbalance": max(owned) * len(owned) / sum(owned),
        "ghost_share": sum(entry["ghosts"] for entry in ranks) / sum(owned),
        "memory": max(entry["memory"] for entry in ranks),
    }
