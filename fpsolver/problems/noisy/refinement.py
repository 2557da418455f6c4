"""What a run keeps of the limit of Noisy SGD: how each mesh came about."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fpsolver.domain.adapted import AdaptedMesh
from fpsolver.domain.cells import Cells
from fpsolver.problems.base import Setting

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Refinement:
    """How the mesh of a level came about: how often each of its cells was bisected, turn by turn.

    A run and its companion of lower degree have the same meshes, which the first of them that asks makes.

    Args:
        setting: The case and the outside world.
        number: Of the level.
    """

    def __init__(self, setting: Setting, number: int) -> None:
        self._keeper, self._dimension = setting.keeper.shared, setting.case.dimension
        domain = setting.domain
        cells = domain.topology.index_map(domain.topology.dim).size_global
        self._name = f"noisy_sgd_{cells}_{number}"
        self._turns = 0

    def finer(self, mesh: AdaptedMesh, times: Ints) -> AdaptedMesh:
        """The mesh with its owned cells bisected so many times, (owned,). Collective."""
        self._keeper.keep(f"{self._name}_{self._turns}", {}, _middles(mesh), {"times": times.astype(np.float64)})
        self._turns += 1
        return mesh.finer(times)

    def keep(self) -> None:
        """The mesh is fine enough. Collective."""
        self._keeper.keep(self._name, {"turns": self._turns}, np.zeros((0, self._dimension)), {})

    def recalled(self, mesh: AdaptedMesh) -> AdaptedMesh | None:
        """The mesh that was found fine enough, from the one that it began with; None where none was. Collective."""
        kept = self._keeper.recall(self._name)
        if kept is None:
            return None
        for turn in range(kept.facts["turns"]):
            entry = self._keeper.recall(f"{self._name}_{turn}")
            times = None if entry is None else entry.at(_middles(mesh))
            if times is None:
                return None
            mesh = mesh.finer(np.rint(times["times"]).astype(np.int64))
        return mesh


def _middles(mesh: AdaptedMesh) -> Array:
    """Of the owned cells, (owned, d)."""
    cells = Cells.of(mesh.mesh)
    middle = np.full((1, cells.dimension), 1.0 / (cells.dimension + 1))
    return np.asarray(cells.points(middle)[: cells.owned, 0])
