"""Ways to carry a density through time: M dh/dt = -K^T h from one output time to the next."""

from __future__ import annotations

from fpsolver.propagation.base import Propagator, Settings, State
from fpsolver.propagation.krylov import krylov
from fpsolver.propagation.sdirk import sdirk

__all__ = ["PROPAGATORS", "Propagator", "Settings", "State"]

PROPAGATORS: dict[str, Propagator] = {"krylov": krylov, "sdirk": sdirk}
