"""Whether a case has a stationary density that relative entropies can refer to, and if not, why."""

from __future__ import annotations

from fpsolver.problems.base import Setting
from fpsolver.problems.stationary.whole import whole


def why_not(setting: Setting) -> str | None:
    """Why there is no stationary density to compare with; None where there is exactly one. Collective."""
    found = whole(setting)
    if found.settles:
        return None
    if len(found.kinds) > 1:
        return f"there are {len(found.kinds)} stationary states, and the limit depends on where the density starts"
    return "the stationary state is no density, so every relative entropy is infinite"
