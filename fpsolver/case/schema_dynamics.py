"""The keys of ``[momentum]`` and ``[schedule]``, of which `fpsolver.case.schema` is the whole."""

from __future__ import annotations

from fpsolver.case.keys import Key, Kind

__all__ = ["DYNAMICS"]

K = Kind
_STEPS = "[[0.0, 0.1], [50.0, 0.01]]"

DYNAMICS: tuple[Key, ...] = (
    Key(
        "momentum",
        "coefficient",
        K.NUMBER,
        "the share of the last step that the next one keeps; needs noise.learning_rate",
        least=0,
        most=1,
        unit="-",
        example="0.9",
    ),
    Key(
        "momentum",
        "friction",
        K.NUMBER,
        "friction of a particle whose velocity has the noise noise.diffusion",
        above=0,
        unit="1/time",
        example="1.0",
    ),
    Key("schedule", "learning_rate", K.COURSE, "learning rate in time", example=f"{{ piecewise = {_STEPS} }}"),
    Key("schedule", "batch_size", K.COURSE, "batch size in time", unit="-", example='"8*(1 + t/50)"'),
    Key("schedule", "diffusion", K.COURSE, "factor on noise.diffusion in time", unit="-", example='"1/log(2.72 + t)"'),
    Key("schedule.learning_rate", "piecewise", K.PAIRS, "values from given times on", example=_STEPS),
    Key(
        "schedule.learning_rate",
        "linear",
        K.PAIRS,
        "values joined by straight lines; the last one stays",
        example="[[0.0, 0.0], [10.0, 0.1], [50.0, 0.01]]",
    ),
    Key(
        "schedule.learning_rate",
        "decay",
        K.TABLE,
        "from one value towards another",
        example='{ from = 0.1, to = 0.01, time = 50.0, shape = "cosine" }',
    ),
    Key(
        "schedule.learning_rate",
        "cyclic",
        K.TABLE,
        "between two values, over and over",
        example="{ low = 0.01, high = 0.1, period = 20.0 }",
    ),
    Key(
        "schedule.learning_rate",
        "warmup",
        K.NUMBER,
        "first rise from 0 in this time, along a straight line; what else is in the table begins then",
        above=0,
        unit="time",
        example="10.0",
    ),
    Key("schedule.learning_rate.decay", "from", K.NUMBER, "first value", required=True, least=0, example="0.1"),
    Key("schedule.learning_rate.decay", "to", K.NUMBER, "last value", required=True, least=0, example="0.01"),
    Key(
        "schedule.learning_rate.decay",
        "time",
        K.NUMBER,
        "when the last value is reached (cosine, linear); or the time constant (exponential, inverse)",
        required=True,
        above=0,
        unit="time",
        example="50.0",
    ),
    Key(
        "schedule.learning_rate.decay",
        "shape",
        K.TEXT,
        "how it falls; exponential if not given",
        choices=("exponential", "inverse", "cosine", "linear"),
    ),
    Key("schedule.learning_rate.cyclic", "low", K.NUMBER, "lowest value", required=True, least=0, example="0.01"),
    Key("schedule.learning_rate.cyclic", "high", K.NUMBER, "highest value", required=True, least=0, example="0.1"),
    Key(
        "schedule.learning_rate.cyclic",
        "period",
        K.NUMBER,
        "length of a cycle",
        required=True,
        above=0,
        unit="time",
        example="20.0",
    ),
    Key(
        "schedule.learning_rate.cyclic",
        "shape",
        K.TEXT,
        "triangle and cosine begin low, restart begins high, falls and jumps back; triangle if not given",
        choices=("triangle", "cosine", "restart"),
    ),
)
