"""Where SGD takes another time than its diffusion to leave a region, in a sentence."""

from __future__ import annotations

from fpsolver.quantity import Quantity

APART = 1.5
"""Factor between exit times of SGD and of its diffusion from which on the approximation breaks."""


def slower(name: str, sgd: Quantity, above: float | None, diffusion: Quantity) -> list[str]:
    """The sentence where both are apart by more than their intervals and by `APART`; else nothing.

    Args:
        name: Of the time.
        sgd: The time of SGD; without a value where nobody left.
        above: What it exceeds with 99 %, where it has no value.
        diffusion: The time of the diffusion.
    """
    value = sgd.value if sgd.value is not None else above
    if value is None or diffusion.value is None or diffusion.value <= 0.0 or value <= 0.0:
        return []
    apart = abs(value - diffusion.value) > (sgd.error or 0.0) + (diffusion.error or 0.0)
    factor = value / diffusion.value
    if not apart or (factor < APART and (sgd.value is None or factor > 1.0 / APART)):
        return []
    much = "more than " if sgd.value is None else ""
    words = f"{factor:.3g} times as long as" if factor > 1.0 else f"{1.0 / factor:.3g} times faster than"
    return [
        f"the diffusion approximation breaks: the {name} is {much}{value:.3g} for SGD and {diffusion.value:.3g} "
        f"for its diffusion; SGD takes {much}{words} its diffusion; exit times of the equation are not those of SGD"
    ]
