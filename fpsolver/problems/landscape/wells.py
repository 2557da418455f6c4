"""The wells of a problem and the weight that is right for its barriers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fpsolver.generator.weight import Weight
from fpsolver.generator.wells import HIGHEST, Wells, wells
from fpsolver.problems.base import Setting
from fpsolver.runtime import on_root

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MARGIN = 20.0
"""The weight follows the potential so many nats beyond the highest pass; farther corners matter to nobody."""

LOWEST_CEILING = 25.0

TRUSTED = {"fitted": 35.0, "refined": 35.0}
"""A fitted potential means nothing higher up, in nats: it is bent to a constant there."""


def landscape(
    setting: Setting, inside: Callable[[Array], Bools] | None = None, reference: Weight | None = None
) -> Wells:
    """The wells of a potential in the domain or in a part of it. Collective; rank 0 looks for them.

    Args:
        setting: The setting.
        inside: Points to whether they are in the part; None: the whole domain.
        reference: Has the potential; None: the reference weight of the setting.
    """
    reference, domain = reference or setting.reference, setting.case.domain
    highest = TRUSTED.get(reference.kind, HIGHEST)

    def found() -> Wells:
        return wells(
            lambda points: reference.potential(points)[0],
            domain.lower,
            domain.upper,
            inside,
            highest=highest,
            domain=domain.inside,
            periods=domain.periods,
        )

    return on_root(setting.domain.comm, found)


def fitting_weight(reference: Weight, found: Wells) -> Weight:
    """The weight that follows the reference potential over all barriers and not much farther."""
    return replace(reference, ceiling=max(found.top + MARGIN, LOWEST_CEILING))
