"""Whether what a case says of its periodic coordinates is so: its formulas are the same one turn on.

A formula that is the same one turn on may be evaluated anywhere, also in cells that reach beyond the box.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.checks import Draft
from fpsolver.case.expressions import Expression, smooth_parts
from fpsolver.case.fields import LossFields, at_points, loss_fields
from fpsolver.case.ledger import Ledger
from fpsolver.case.positions import Path
from fpsolver.case.sampling import random_points
from fpsolver.case.sections import Domain, Noise, Region
from fpsolver.case.wording import named

Array = NDArray[np.float64]

SAME = 1e-9
"""Values one turn apart that differ by less than this fraction of their size are the same."""

OF_DATA = 20
"""Points at which a mean over the rows of data is tried."""


def check_periodic(draft: Draft, ledger: Ledger) -> None:
    """Notes formulas that are not the same one turn on along a periodic coordinate."""
    for axis in np.flatnonzero(np.isfinite(draft.domain.periods)):
        _Turn(draft.domain, int(axis), ledger).all(draft)


class _Turn:
    def __init__(self, domain: Domain, axis: int, ledger: Ledger) -> None:
        self.names = domain.coordinates
        self.axis = axis
        self.ledger = ledger
        self.period = domain.periods[axis]
        self.points = random_points(domain)
        turn = self.period * np.eye(domain.dimension)[axis]
        self.moved = (self.points + turn, self.points - turn)
        self.name = self.names[axis]
        self.once_round = abs(self.period - 2.0 * np.pi) < 1e-9

    def phase(self, angle: str) -> str:
        """What sin and cos are to be taken of."""
        return angle if self.once_round else f"2*pi*({angle})/{self.period:g}"

    def all(self, draft: Draft) -> None:
        waves = f"write it with sin({self.phase(self.name)}) and cos({self.phase(self.name)})"
        tilt = f"{waves}; a force that drives it round belongs into drift.extra"
        if draft.loss is not None and draft.loss.kind == "expression":
            self.agrees(("loss", "expression"), draft.loss.expression, tilt)
        elif draft.loss is not None and draft.loss.table is not None:
            wrong = f"a table knows one turn of {self.name} only, and {self.name} is periodic"
            self.ledger.add(("loss", "table"), wrong, "remove domain.periodic, or write loss.expression")
            return
        elif draft.loss is not None and draft.loss.kind == "per_sample" and draft.data is not None:
            here, there = (
                loss_fields(draft.loss, draft.data, self.names, points[:OF_DATA])
                for points in (self.points, self.moved[0])
            )
            self.sampled(here, there, tilt)
        for index, extra in enumerate(draft.drift or ()):
            self.agrees(("drift", "extra", index), extra, waves)
        if draft.noise is not None:
            self.noise(draft.noise, waves)
        arc = f'write it with cos, such as "cos({self.phase(f"{self.name} - 2.5")}) > 0.8" for an arc around 2.5'
        self.regions(draft.regions.values(), arc)
        if draft.boundary is not None and draft.boundary.absorbing is not None:
            self.agrees(("boundary", "absorbing"), draft.boundary.absorbing, arc)

    def noise(self, noise: Noise, waves: str) -> None:
        if noise.potential is not None:
            self.agrees(("noise", "potential"), noise.potential, waves)
        key = "diffusion" if noise.kind == "diffusion" else "covariance"
        matrix = noise.diffusion if noise.kind == "diffusion" else noise.covariance
        for entry in {entry for row in matrix for entry in row} if isinstance(matrix, tuple) else ():
            if not self.agrees(("noise", key), entry, waves):
                break

    def regions(self, regions: Iterable[Region], write: str) -> None:
        """Meshes follow the smooth parts of a condition one by one: each of them has to be periodic."""
        for region in regions:
            path = ("regions", region.name)
            if self.agrees(path, region.level, write):
                all(self.agrees(path, part, write) for part in smooth_parts(region.level).leaves)

    def agrees(self, path: Path, expression: Expression, write: str) -> bool:
        """Notes a formula that is not the same one turn on; False where it is not, or something else is wrong."""
        if not self.ledger.clean(*path):
            return False
        here = at_points([expression], self.names, self.points)[0]
        there = (at_points([expression], self.names, points)[0] for points in self.moved)
        return all(self._same(path, "the value", here, found, write) for found in there)

    def sampled(self, here: LossFields, there: LossFields, write: str) -> None:
        """The same of the mean over the rows of data, and of the noise that they make."""
        path = ("loss", "per_sample")
        pairs: list[tuple[str, Array, Array]] = [("the mean over the data", here.value, there.value)]
        if here.covariance is not None and there.covariance is not None:
            variance = (np.einsum("nii->n", each) for each in (here.covariance, there.covariance))
            pairs.append(("the variance of the gradients", *variance))
        for what, first, last in pairs:
            if not self._same(path, what, first, last, write):
                return

    def _same(self, path: Path, what: str, here: Array, there: Array, write: str) -> bool:
        apart = np.abs(here - there)
        worst = int(np.nan_to_num(apart, nan=np.inf).argmax())
        if apart[worst] <= SAME * float(np.abs(here).max()):
            return True
        where = named(self.names, self.points[worst])
        wrong = f"{what} is {here[worst]:.6g} at {where} but {there[worst]:.6g} one turn of {self.name} from there"
        self.ledger.add(path, f"{wrong}, and {self.name} is periodic", write)
        return False
