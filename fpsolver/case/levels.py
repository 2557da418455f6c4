"""The noise of a case at another level: what an Arrhenius fit varies."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from fpsolver.case.expressions import constant_expression, scaled
from fpsolver.case.sections import Noise

Kind = Literal["learning_rate", "diffusion", "factor"]


def level_kind(noise: Noise) -> Kind:
    """What a level is: a learning rate, the constant D of D = d I, or a factor on any other D."""
    if noise.kind == "learning_rate":
        return "learning_rate"
    matrix = noise.diffusion
    numbers = [] if matrix is None else [[entry.value for entry in row] for row in matrix]
    same = {row[i] for i, row in enumerate(numbers)}
    others = {value for i, row in enumerate(numbers) for j, value in enumerate(row) if j != i}
    return "diffusion" if len(same) == 1 and None not in same and others <= {0.0} else "factor"


def at_level(noise: Noise, level: float) -> Noise:
    """The noise at a level of its kind.

    A known potential is divided by what D is multiplied with: exact for a constant D, and a fair weight for others.

    Args:
        noise: That of the case.
        level: A learning rate; D = level I in all, whatever the regularization was; or a factor on D, regularization
            included.
    """
    match level_kind(noise):
        case "learning_rate":
            assert noise.learning_rate is not None
            return _cooled(replace(noise, learning_rate=level), level / noise.learning_rate)
        case "diffusion":
            assert noise.diffusion is not None
            before = noise.diffusion[0][0].value
            assert before is not None
            count = len(noise.diffusion)
            matrix = tuple(
                tuple(constant_expression(level if i == j else 0.0) for j in range(count)) for i in range(count)
            )
            whole = before + noise.regularization
            return _cooled(replace(noise, diffusion=matrix, regularization=0.0), level / whole if whole > 0 else 1.0)
        case "factor":
            assert noise.diffusion is not None
            matrix = tuple(tuple(scaled(entry, level) for entry in row) for row in noise.diffusion)
            return _cooled(replace(noise, diffusion=matrix, regularization=level * noise.regularization), level)


def _cooled(noise: Noise, ratio: float) -> Noise:
    potential = noise.potential
    return noise if potential is None else replace(noise, potential=scaled(potential, 1.0 / ratio))
