"""Arrhenius' law: barriers and prefactors from exit times at several levels of noise, against exact quadratures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpsolver import load
from fpsolver.case.levels import at_level, level_kind
from fpsolver.model import build
from fpsolver.problems.arrhenius.fit import fitted, local_slopes
from tests.exact import exit_times_on_a_line
from tests.problems.answers import Solved, solved
from tests.problems.texts import leave, line, regions

LEVELS = [0.1, 0.05, 0.03, 0.02, 0.01]
WELLS = "(x**2 - 1)**2/4"
GROWING = float(np.log(2.0) - 0.5)
"""The barrier of WELLS for D = 1 + x**2: the integral of (x - x**3)/(1 + x**2) from 0 to 1."""

RATIOS = {0.05: 1.107, 0.02: 1.0335, 0.01: 1.0158}
"""Times from one well to the other over Kramers' law."""


def asked(
    folder: Path, noise: str, levels: Sequence[float], region: str = "x < 1", more: str = "", **how: Any
) -> Solved:
    """WELLS, or another loss, with its exit at several levels of noise."""
    loss = how.pop("loss", WELLS)
    start = how.pop("start", -1.0)
    text = line(loss, noise, 30).replace(f'diffusion = "{noise}"', noise if "=" in noise else f'diffusion = "{noise}"')
    text += more + regions(here=region) + leave("here", [start], more=f"noise_levels = {list(levels)}\n")
    return solved(folder, text, **how)


def exact(level: float, edge: float, noise: Any = np.ones_like) -> float:
    """The mean time from -1 to an edge, with D = level * noise(x)."""
    mean, _ = exit_times_on_a_line(lambda x: x**3 - x, lambda x: level * noise(x), (-2.0, edge), [-1.0], 1)
    return float(mean[0, 0])


def value(entry: Any) -> float:
    return float(entry["value"])


@given(
    st.lists(st.floats(0.01, 1.0), min_size=4, max_size=8, unique_by=lambda x: round(x, 2)),
    st.floats(0.01, 5.0),
    st.floats(-3.0, 3.0),
    st.floats(-1.0, 1.0),
)
def test_a_law_is_found_again(levels: list[float], barrier: float, log_prefactor: float, more: float) -> None:
    noise = np.array(levels)
    for term, shape in ((None, 0.0 * noise), ("power", np.log(noise)), ("correction", noise)):
        fit = fitted(noise, log_prefactor + barrier / noise + more * shape, term)
        assert fit.barrier == pytest.approx(barrier, rel=1e-6, abs=1e-6)
        assert fit.log_prefactor == pytest.approx(log_prefactor, rel=1e-5, abs=1e-5)
        assert fit.coefficient is None if term is None else fit.coefficient == pytest.approx(more, abs=1e-4)
        assert fit.errors is not None
        assert max(fit.errors) < 1e-5
    assert np.allclose(local_slopes(noise, log_prefactor + barrier / noise), barrier, rtol=1e-6, atol=1e-9)


def test_errors_are_those_of_the_residuals() -> None:
    """By repetition: the standard deviation of the barrier over many samples of noise in the logarithms."""
    noise, random = np.array(LEVELS), np.random.default_rng(1)
    samples = [fitted(noise, 1.0 + 0.25 / noise + 0.01 * random.standard_normal(5)) for _ in range(4000)]
    seen = np.std([fit.barrier for fit in samples])
    claimed = np.sqrt(np.mean([fit.errors[0] ** 2 for fit in samples if fit.errors]))
    assert claimed == pytest.approx(seen, rel=0.05)
    assert fitted(noise[:2], np.ones(2)).errors is None
    assert fitted(noise[:3], np.ones(3), "power").errors is None


@pytest.mark.parallel
def test_barrier_and_prefactor_of_the_double_well(shared_folder: Path) -> None:
    found = asked(shared_folder, "0.05", LEVELS)
    law = found.exits[0]["arrhenius"]
    fit, levels = law["fits"][0], law["levels"]
    assert found.passed
    assert law["noise"] == "diffusion"
    assert [entry["level"] for entry in levels] == LEVELS
    times = np.array([value(entry["starts"][0]["mean"]) for entry in levels])
    known = np.array([exact(level, 1.0) for level in LEVELS])
    assert np.allclose(times, known, rtol=1e-6)
    # the line through the exact times, and what it tends to
    assert value(fit["barrier"]) == pytest.approx(fitted(np.array(LEVELS), np.log(known)).barrier, rel=1e-6)
    assert abs(value(fit["barrier"]) - 0.25) < value(fit["barrier_error"]) < 0.02 * 0.25
    assert abs(np.log(value(fit["prefactor"]) / np.sqrt(2.0) / np.pi)) < np.log1p(0.5)
    slopes = np.array([value(slope) for slope in fit["local_slopes"]])
    assert (np.diff(np.abs(slopes - 0.25)) < 0.0).all()
    assert slopes[-1] == pytest.approx(0.25, rel=2e-3)
    assert value(fit["with_correction"]["barrier"]) == pytest.approx(0.25, rel=3e-4)
    assert value(fit["with_correction"]["prefactor"]) == pytest.approx(np.sqrt(2.0) * np.pi, rel=0.02)
    assert value(fit["kramers_barrier"]) == pytest.approx(0.25, rel=1e-9)
    assert value(fit["kramers_prefactor"]) == pytest.approx(np.sqrt(2.0) * np.pi, rel=1e-9)
    assert value(fit["loss_barrier"]) == pytest.approx(0.25, rel=1e-9)
    assert value(fit["barrier_over_loss_barrier"]) == pytest.approx(value(fit["barrier"]) / 0.25)
    ratios = {entry["level"]: value(entry["starts"][0]["ratio"]) for entry in levels}
    assert all(ratios[level] == pytest.approx(ratio, abs=5e-4) for level, ratio in RATIOS.items())
    columns, rows = found.solution.record.tables["arrhenius_here.csv"]
    assert np.allclose(rows[:, list(columns).index("log10_mean_1")], np.log10(times))
    assert np.allclose(rows[:, list(columns).index("ratio_to_kramers_1")], list(ratios.values()))


def test_the_ridge_takes_half_as_long_at_every_level(tmp_path: Path) -> None:
    law = asked(tmp_path, "0.05", [0.05, 0.01], "x < 0").exits[0]["arrhenius"]
    for entry, known in zip(law["levels"], (0.549, 0.508), strict=True):
        start = entry["starts"][0]
        full = np.sqrt(2.0) * np.pi * np.exp(0.25 / entry["level"])
        assert value(start["kramers"]) == pytest.approx(full / 2.0, rel=1e-6)
        assert value(start["mean"]) / full == pytest.approx(known, abs=5e-4)


def test_two_levels_give_a_slope_and_no_error(tmp_path: Path) -> None:
    fit = asked(tmp_path, "0.05", [0.02, 0.05]).exits[0]["arrhenius"]["fits"][0]
    known = np.log(exact(0.02, 1.0) / exact(0.05, 1.0)) / (1.0 / 0.02 - 1.0 / 0.05)
    assert value(fit["barrier"]) == pytest.approx(known, rel=1e-6)
    assert fit["barrier_error"]["value"] is None
    assert "three" in fit["barrier_error"]["why"]
    assert fit["with_log"]["power"]["why"]


def test_error_bars_come_from_companions(tmp_path: Path) -> None:
    law = asked(tmp_path, "0.05", [0.1, 0.05, 0.03, 0.02], errors=True).exits[0]["arrhenius"]
    known = [exact(level, 1.0) for level in (0.1, 0.05, 0.03, 0.02)]
    for entry, time in zip(law["levels"], known, strict=True):
        mean = entry["starts"][0]["mean"]
        assert abs(value(mean) - time) <= 5.0 * mean["error"] < 1e-4 * time
        assert entry["starts"][0]["ratio"]["error"] < 1e-4
    fit = law["fits"][0]
    exactly = fitted(np.array([0.1, 0.05, 0.03, 0.02]), np.log(known)).barrier
    assert abs(value(fit["barrier"]) - exactly) <= 5.0 * fit["barrier"]["error"] < 1e-5
    assert fit["kramers_barrier"]["error"] == 0.0


@pytest.mark.parametrize(
    ("noise", "kind", "levels", "unit"),
    [
        ("0.05*(1 + x**2)", "factor", [1.0, 0.6, 0.4, 0.3], 0.05),
        ('learning_rate = 0.1\nbatch_size = 1\ncovariance = "1 + x**2"', "learning_rate", [0.1, 0.06, 0.04, 0.03], 0.5),
    ],
)
def test_noise_that_depends_on_the_point(
    tmp_path: Path, noise: str, kind: str, levels: list[float], unit: float
) -> None:
    """The barrier is the integral of f'/D at level 1; the prefactor is that of Ito's equation."""
    law = asked(tmp_path, noise, levels).exits[0]["arrhenius"]
    assert law["noise"] == kind
    fit = law["fits"][0]
    for entry in law["levels"]:
        known = exact(unit * entry["level"], 1.0, lambda x: 1.0 + x**2)
        start = entry["starts"][0]
        assert value(start["mean"]) == pytest.approx(known, rel=1e-6)
        if kind == "learning_rate":  # of this level, not of the case
            assert value(start["iterations"]) == pytest.approx(known / entry["level"], rel=1e-6)
    assert value(fit["kramers_barrier"]) == pytest.approx(GROWING / unit, rel=1e-6)
    assert value(fit["with_correction"]["barrier"]) == pytest.approx(GROWING / unit, rel=0.02)
    assert value(law["levels"][-1]["starts"][0]["ratio"]) == pytest.approx(1.05, abs=0.01)
    assert fit["power_law"]["value"] is None  # the loss is 0 at the bottom


def test_noise_in_proportion_to_the_loss_makes_a_power_law(tmp_path: Path) -> None:
    """D = c f: Phi = log(f)/c, so the time grows like (f at the edge / f at the bottom)^(1/c)."""
    found = asked(tmp_path, "0.1 + x**2/2", [0.3, 0.2, 0.12, 0.08], "x**2 < 1", loss="0.1 + x**2/2", start=0.0)
    fit = found.exits[0]["arrhenius"]["fits"][0]
    assert value(fit["with_log"]["barrier"]) == pytest.approx(np.log(6.0), rel=0.01)
    assert value(fit["power_law"]) == pytest.approx(1.0, abs=0.1)
    assert value(fit["loss_barrier"]) == pytest.approx(0.5, rel=1e-6)


def test_over_an_edge_against_the_slope_the_prefactor_is_a_root_of_the_noise(tmp_path: Path) -> None:
    fit = asked(tmp_path, "0.05", [0.02, 0.015, 0.01, 0.007, 0.005], "x < -0.5").exits[0]["arrhenius"]["fits"][0]
    assert value(fit["with_log"]["power"]) == pytest.approx(0.5, abs=0.12)
    assert value(fit["loss_barrier"]) == pytest.approx((0.25 - 1.0) ** 2 / 4.0, rel=1e-6)


def test_levels_without_a_time_are_left_out_with_their_reason(tmp_path: Path) -> None:
    law = asked(tmp_path, "0.1*x**2", [1.0, 0.5], "x**2 < 1", loss="x**2/2", start=0.5).exits[0]["arrhenius"]
    assert all(entry["starts"][0]["mean"]["infinite"] for entry in law["levels"])
    assert all(entry["starts"][0]["ratio"]["why"] for entry in law["levels"])
    assert law["fits"][0]["barrier"]["value"] is None
    assert "two levels" in law["fits"][0]["barrier"]["why"]


def test_what_a_level_is(tmp_path: Path) -> None:
    """The whole of a constant D, regularization included; a factor on all of any other; a known potential follows."""
    point = np.array([[0.5]])
    texts = {
        'diffusion = 0.1\nregularization = 0.05\npotential = "x**2"': ("diffusion", 0.3, 0.3, 0.5),
        'diffusion = "0.1*x"\nregularization = 0.05\npotential = "x**2"': ("factor", 3.0, 0.3, 3.0),
        'learning_rate = 0.2\nbatch_size = 2\ncovariance = "x"\nregularization = 0.05\npotential = "x**2"': (
            "learning_rate", 0.4, 0.1, 2.0,
        ),
    }  # fmt: skip
    for noise, (kind, level, diffusion, ratio) in texts.items():
        path = tmp_path / "case.toml"
        path.write_text(line(WELLS, "0.05").replace('diffusion = "0.05"', noise).replace("[-2.0]", "[0.0]"))
        case = load(path)
        other = at_level(case.noise, level)
        assert level_kind(case.noise) == level_kind(other) == kind
        changed = build(type(case)(**{**case.__dict__, "noise": other}))
        assert changed(point).diffusion[0, 0, 0] == pytest.approx(diffusion)
        assert other.potential is not None
        if kind == "diffusion":
            ratio = level / 0.15
        assert float(other.potential.evaluate({"x": 0.5})) == pytest.approx(0.25 / ratio)
