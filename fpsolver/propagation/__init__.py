"""Ways to carry a density through time: M dh/dt = -K^T h from one output time to the next.

Those of PROPAGATORS are for a K that does not depend on time, `sdirk_varying` for one that does.
"""

from __future__ import annotations

from fpsolver.propagation.base import Propagator, Settings, Standing, State
from fpsolver.propagation.krylov import krylov
from fpsolver.propagation.sdirk import sdirk
from fpsolver.propagation.varying import Factors, sdirk_varying

__all__ = ["PROPAGATORS", "Factors", "Propagator", "Settings", "Standing", "State", "sdirk_varying"]

PROPAGATORS: dict[str, Propagator] = {"krylov": krylov, "sdirk": sdirk}
