"""The keys of a case file: one entry each, with kind, default, range, unit and a line of help.

Sections are named by their dotted path; ``[[exit]]`` and its like are lists of tables with the same keys.
"""

from __future__ import annotations

from fpsolver.case.keys import Key, Kind
from fpsolver.case.schema_concentration import CONCENTRATION
from fpsolver.case.schema_dynamics import DYNAMICS
from fpsolver.case.schema_loss import LOSS
from fpsolver.case.schema_run import RUN
from fpsolver.case.schema_simulation import SIMULATION

__all__ = ["DEFAULTED", "FREE", "KEYS", "LISTS", "SECTIONS", "TOP", "Key", "Kind"]

K = Kind
MILLION = 1_000_000

KEYS: tuple[Key, ...] = (
    Key("", "title", K.TEXT, "shown in reports and figures", default="", example='"SGD between two minima"'),
    # domain
    Key(
        "domain",
        "shape",
        K.TEXT,
        "shape of the domain",
        "box",
        choices=("box", "interval", "ball", "disk", "annulus", "mesh"),
    ),
    Key("domain", "lower", K.NUMBERS, "lower corner of the box", unit="parameter", example="[-2.0, -1.5]"),
    Key("domain", "upper", K.NUMBERS, "upper corner of the box", unit="parameter", example="[2.0, 1.5]"),
    Key("domain", "cells", K.INTEGERS, "cells along each coordinate", least=1, most=MILLION, example="[160, 120]"),
    Key("domain", "cell_size", K.NUMBER, "largest edge of a cell", above=0, unit="parameter", example="0.025"),
    Key("domain", "diagonal", K.TEXT, "diagonal that splits rectangles", choices=("right", "left", "crossed")),
    Key("domain", "center", K.NUMBERS, "centre of the ball", unit="parameter", example="[0.0, 0.0]"),
    Key("domain", "radius", K.NUMBER, "radius of the ball", above=0, unit="parameter", example="1.0"),
    Key(
        "domain", "inner_radius", K.NUMBER, "radius of the hole of an annulus", above=0, unit="parameter", example="0.5"
    ),
    Key("domain", "file", K.FILE, "mesh file: Gmsh 2.2 or 4.1 (.msh), or .xdmf", example='"../meshes/ring.msh"'),
    Key("domain", "halvings", K.INTEGER, "halve all cells of a mesh file so often", least=0, most=6, example="1"),
    Key(
        "domain",
        "grade",
        K.NUMBER,
        "towards exits, and where the potential is steep, cells get so many times finer than they have to",
        default=1.0,
        above=0,
        most=100,
        unit="-",
        example="2.0",
    ),
    Key("domain", "coordinates", K.NAMES, "names of the coordinates", example='["x", "y"]'),
    Key("domain", "periodic", K.CHOICES, "coordinates of a box whose ends are one place: angles", example='["x"]'),
    *LOSS,
    # noise
    Key("noise", "diffusion", K.TENSOR, "the tensor D", unit="parameter^2/time", example="0.05"),
    Key(
        "noise",
        "learning_rate",
        K.NUMBER,
        "step of SGD, D = learning_rate/(2 batch_size) covariance",
        above=0,
        example="0.1",
    ),
    Key("noise", "batch_size", K.NUMBER, "rows per minibatch", above=0, unit="-", example="8"),
    Key(
        "noise",
        "covariance",
        K.TENSOR,
        "covariance of the per-sample gradients",
        choices=("samples", "table", "python"),
        example='"samples"',
    ),
    Key(
        "noise",
        "regularization",
        K.NUMBER,
        "epsilon of Noisy SGD: D + epsilon I",
        default=0.0,
        least=0,
        unit="parameter^2/time",
    ),
    Key(
        "noise", "potential", K.EXPRESSION, "known -log of the stationary density", unit="-", example='"(p**2/2 + V)/T"'
    ),
    Key(
        "noise",
        "order",
        K.INTEGER,
        "order of the equation in the learning rate: with 2 the drift is -grad(f + learning_rate/4 |grad f|^2)",
        default=1,
        least=1,
        most=2,
        unit="-",
        example="2",
    ),
    *DYNAMICS,
    # boundary
    Key("boundary", "absorbing", K.CONDITION, "absorbing part of the boundary", example='"x > 1.99"'),
    Key("boundary", "group", K.TEXT, "absorbing part as a named group of the mesh", example='"outlet"'),
    Key(
        "boundary",
        "influx",
        K.EXPRESSION,
        "mass that comes in through a reflecting part, per area and time; needs influx_on or influx_group",
        unit="1/(area time)",
        example='"1.0"',
    ),
    Key("boundary", "influx_on", K.CONDITION, "where it comes in", example='"x < -1.99"'),
    Key("boundary", "influx_group", K.TEXT, "where, as a named group of the mesh", example='"inlet"'),
    # discretization
    Key(
        "discretization",
        "degree",
        K.INTEGER,
        "polynomial degree",
        "auto",
        least=1,
        most=10,
        choices=("auto",),
        example="4",
    ),
    Key(
        "discretization",
        "scheme",
        K.TEXT,
        "weighted form or monotone companion",
        "weighted",
        choices=("weighted", "monotone"),
    ),
    # evolution
    Key("evolution", "initial", K.TABLE, "initial density", required=True, example="{ point = [0.0] }"),
    Key("evolution", "end_time", K.NUMBER, "last output time", above=0, unit="time", example="100.0"),
    Key(
        "evolution",
        "frames",
        K.INTEGER,
        "equally spaced output times",
        default=50,
        least=1,
        most=100_000,
        example="100",
    ),
    Key(
        "evolution", "output_times", K.TIMES, "ascending output times", above=0, unit="time", example="[0.1, 1.0, 10.0]"
    ),
    Key(
        "evolution",
        "tolerance",
        K.NUMBER,
        "error in time, L1 of the density",
        above=0,
        most=0.1,
        unit="-",
        example="1e-7",
    ),
    Key("evolution", "method", K.TEXT, "time integration", default="auto", choices=("auto", "krylov", "sdirk")),
    Key("evolution.initial", "gaussian", K.TABLE, "normal density", example="{ mean = [0.0], std = 0.2 }"),
    Key("evolution.initial", "point", K.NUMBERS, "point mass", unit="parameter", example="[0.0]"),
    Key("evolution.initial", "uniform", K.TEXT, "uniform on a region", example='"left"'),
    Key("evolution.initial", "expression", K.EXPRESSION, "density up to a factor", example='"exp(-x**2)"'),
    Key("evolution.initial", "file", K.FILE, "results folder of an earlier run", example='"results/earlier"'),
    Key(
        "evolution.initial.gaussian", "mean", K.NUMBERS, "mean", required=True, unit="parameter", example="[-1.0, 0.0]"
    ),
    Key(
        "evolution.initial.gaussian",
        "std",
        K.SCALE,
        "standard deviation",
        required=True,
        above=0,
        unit="parameter",
        example="0.2",
    ),
    # deliverables
    Key(
        "stationary",
        "eigenvalues",
        K.INTEGER,
        "eigenvalues of smallest real part",
        default=4,
        least=1,
        most=1000,
        example="4",
    ),
    Key(
        "stationary",
        "regularizations",
        K.SERIES,
        "descending epsilons of Noisy SGD, D + epsilon I with epsilon to 0",
        above=0,
        unit="parameter^2/time",
        example="[1e-1, 1e-2, 1e-3]",
    ),
    Key("exit", "region", K.TEXT, "the clock runs inside it", required=True, example='"left"'),
    Key("exit", "start", K.POINTS, "starting points", default=(), unit="parameter", example="[[-1.0, 0.0]]"),
    Key("exit", "initial", K.TABLE, "initial density to average over", example='{ uniform = "left" }'),
    Key("exit", "moments", K.INTEGER, "moments of the time", default=2, least=1, most=20, example="2"),
    Key(
        "exit",
        "noise_levels",
        K.SERIES,
        "noise for an Arrhenius fit: learning rates, values of a scalar constant D, or factors on any other D",
        above=0,
        example="[0.1, 0.05, 0.03, 0.02]",
    ),
    Key("exit", "times", K.TIMES, "ascending times of the survival curve", above=0, unit="time", example="[1.0, 10.0]"),
    Key(
        "exit",
        "enclosure",
        K.TEXT,
        "two-sided bounds of the mean times by a computed function; auto: in one dimension, where they cost nothing",
        default="auto",
        choices=("auto", "always", "never"),
        example='"always"',
    ),
    Key("committor", "source", K.TEXT, "region where q = 0", required=True, example='"a"'),
    Key("committor", "target", K.TEXT, "region where q = 1", required=True, example='"b"'),
    Key(
        "probe",
        "point",
        K.NUMBERS,
        "where every field is reported",
        required=True,
        unit="parameter",
        example="[-0.5, 0.1]",
    ),
    Key(
        "entropy",
        "kinds",
        K.CHOICES,
        "entropies",
        default=("kl", "chi2"),
        choices=("kl", "chi2", "power"),
        example='["kl", "chi2"]',
    ),
    Key("entropy", "power", K.NUMBER, "exponent of the power entropy", default=1.5, above=1, most=2, unit="-"),
    Key(
        "splitting",
        "radius",
        K.NUMBER,
        "size of the neighbourhoods that count as the minima",
        above=0,
        unit="parameter",
        example="0.1",
    ),
    *CONCENTRATION,
    *SIMULATION,
    *RUN,
)

LISTS = ("exit", "committor", "probe")  # [[...]]: any number of them
FREE = {  # tables with names of the user's choice
    "parameters": "numbers with names, for expressions and for --set parameters.d=0.05",
    "regions": 'named open sets, each a condition or `{ group = "name" }` of a mesh file, whose groups are regions '
    "too, under their own names; the mass of each is reported",
}
DEFAULTED = ("discretization", "output", "run")  # part of the resolved case even where absent

SECTIONS: dict[str, dict[str, Key]] = {}
for _key in KEYS:
    SECTIONS.setdefault(_key.section, {})[_key.name] = _key

TOP = tuple(name for name in SECTIONS if name and "." not in name) + tuple(FREE)  # section headings
