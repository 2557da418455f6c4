"""``[momentum]``: loss and noise are functions of the positions, and every position gets a velocity."""

from __future__ import annotations

from dataclasses import replace

from fpsolver.case.inertia import Momentum, friction_of
from fpsolver.case.reading import Reader, exactly_one
from fpsolver.case.sections import Noise


def of_positions(reader: Reader) -> Reader:
    """Who reads what depends on the positions alone: the same reader where there is no momentum."""
    if "momentum" not in reader.raw:
        return reader
    names = reader.scope.coordinates
    scope = replace(reader.scope, coordinates=names[: max(1, len(names) // 2)], dimension=max(1, len(names) // 2))
    return Reader(reader.raw, scope, reader.ledger)


def read_momentum(reader: Reader, noise: Noise | None) -> Momentum | None:
    """Friction and positions; None where the section is absent or wrong.

    Args:
        reader: With all coordinates.
        noise: Of the case; None where it is wrong.
    """
    values = reader.section("momentum")
    if values is None:
        return None
    ledger, path, dimension = reader.ledger, ("momentum",), reader.scope.dimension
    exactly_one(ledger, path, reader.raw["momentum"], ("coefficient", "friction"))
    if dimension is not None and dimension != 2:
        count = "1 coordinate" if dimension == 1 else f"{dimension} coordinates"
        wrong = f"the domain has {count}, but a position and its velocity are two"
        if dimension == 3:
            wrong += ", and two positions with theirs are four, more than the three that can be solved for"
        ledger.add(path, wrong, 'write a domain with two coordinates, such as coordinates = ["x", "v"]')
    if "loss" not in reader.raw:
        ledger.add(path, "there is no loss that a force could come from", "write [loss] as a function of the position")
    given = reader.raw.get("noise")
    if isinstance(given, dict) and "potential" in given:
        wrong = "the stationary density with momentum is known to the program where the noise is a constant number"
        ledger.add(("noise", "potential"), wrong, "remove it")
    if noise is not None and "coefficient" in values and noise.kind == "diffusion":
        advice = "write momentum.friction, or noise.learning_rate with batch_size and covariance"
        ledger.add((*path, "coefficient"), "only a learning rate makes a friction of it", advice)
    if noise is not None and "friction" in values and noise.kind == "learning_rate":
        advice = "write momentum.coefficient = 0.9, or noise.diffusion"
        ledger.add((*path, "friction"), "with a learning rate the friction is (1 - coefficient)/sqrt(rate)", advice)
    if noise is None or not ledger.clean("momentum"):
        return None
    positions = of_positions(reader).scope.coordinates
    if "friction" in values:
        return Momentum(positions, values["friction"], None)
    if not values["coefficient"] < 1.0:
        ledger.add((*path, "coefficient"), "without friction nothing ever settles", "write a number < 1, such as 0.9")
        return None
    assert noise.learning_rate is not None
    return Momentum(positions, friction_of(values["coefficient"], noise.learning_rate), values["coefficient"])
