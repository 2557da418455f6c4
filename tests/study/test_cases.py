"""The numbers that the comments of the shipped cases promise, as those comments say them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fpsolver
from fpsolver.quantity import Quantity

CASES = Path(__file__).parents[2] / "cases"
pytestmark = pytest.mark.slow

# case, overrides -> place in the results: number and relative tolerance
PROMISED: dict[tuple[str, ...], dict[str, tuple[float, float]]] = {
    ("escape_double_well",): {
        "exit.0.starts.0.mean": (616063.85, 1e-5),
        "exit.1.starts.0.mean": (1232135.0, 1e-5),
        "exit.0.starts.0.survival.median": (427023.0, 1e-5),
        "exit.0.starts.1.survival.exponential.slow_amplitude": (0.8312, 1e-4),
        "stationary.spectral_gap": (1.6232151e-6, 1e-5),
    },
    ("escape_double_well", "parameters.d=0.01"): {"exit.0.starts.0.mean": (162478771569.149, 1e-4)},
    ("mueller_brown",): {
        "exit.0.starts.0.mean": (198.32110, 1e-5),
        "exit.0.starts.1.mean": (10.321724, 1e-4),
        "exit.1.starts.0.mean": (5.1767071, 1e-5),
    },
    ("mueller_brown", "parameters.temperature=20"): {
        "exit.0.starts.0.mean": (1.3632039, 1e-5),
        "exit.0.starts.1.mean": (0.28502912, 1e-4),
    },
    ("disk_exit",): {"exit.0.starts.0.mean": (11781.0073, 2e-5)},
    ("disk_exit", "parameters.d=0.1"): {"exit.0.starts.0.mean": (18.999311, 1e-5)},
    ("ring",): {"exit.0.starts.0.mean": (1.9743176, 1e-7)},
    ("rooms",): {"stationary.spectral_gap": (0.0126354, 1e-5)},
    ("transition",): {
        "committor.0.flux": (0.0049141515, 1e-5),
        "committor.0.rate": (0.0050423846, 1e-5),
        "committor.0.reverse_rate": (0.19323435, 1e-5),
        "committor.0.mean_transition_time": (0.048, 1e-2),
        "probes.1.committor_reactant_product": (0.94811742, 1e-5),
    },
    ("kinetic_escape",): {
        "exit.0.starts.0.mean": (21.864445, 2e-3),
        "stationary.spectral_gap": (0.096028449, 1e-6),
    },
    ("rank_one_escape",): {
        "exit.0.starts.0.mean": (13.648907, 1e-5),
        "exit.0.starts.1.mean": (14.407986, 1e-5),
        "exit.0.starts.2.mean": (8.8053442, 1e-5),
        "stationary.spectral_gap": (0.082860228, 1e-5),
        "probes.0.stationary_density": (0.46955837, 1e-3),
    },
    ("rank_one_escape", "parameters.c=0.6"): {
        "exit.0.starts.0.mean": (17.821014, 1e-5),
        "exit.0.starts.1.mean": (18.696414, 1e-5),
        "exit.0.starts.2.mean": (11.511862, 1e-5),
    },
    ("simulation",): {"exit.0.starts.0.mean": (10.17265, 1e-5)},
    ("network_slice",): {"exit.0.starts.0.mean": (558.0, 5e-3)},
    ("iris_logistic",): {
        "stationary.regions.length_counts_more": (0.75315, 1e-5),
        "stationary.spectral_gap": (0.0023719, 1e-4),
    },
    ("iris_neuron",): {
        "exit.0.starts.0.mean": (17133.0, 3e-4),
        "exit.0.starts.0.standard_deviation": (18618.0, 3e-4),
    },
}


@pytest.mark.parametrize("chosen", PROMISED, ids=" ".join)
def test_comments_tell_the_truth(chosen: tuple[str, ...]) -> None:
    """Without the evolution, what is made of it and levels of added noise, which have tests of their own."""
    name, *overrides = chosen
    case = fpsolver.load(CASES / f"{name}.toml", [*overrides, "run.errors=false"])
    stationary = None if case.stationary is None or case.stationary.regularizations else case.stationary
    case = replace(case, evolution=None, entropy=None, splitting=None, concentration=None, stationary=stationary)
    solution = fpsolver.solve(case)
    assert solution.certificate["passed"]
    results: dict[str, Any] = {name: answer.results for name, answer in solution.answers.items()}
    results["probes"] = [
        {
            name: value
            for answer in solution.answers.values()
            if answer.probes
            for name, value in answer.probes[i].items()
        }
        for i in range(len(case.probes))
    ]
    for place, (number, tolerance) in PROMISED[chosen].items():
        entry: Any = results
        for key in place.split("."):
            entry = entry[int(key)] if key.isdigit() else entry[key]
        assert isinstance(entry, Quantity)
        assert entry.value == pytest.approx(number, rel=tolerance), place


def test_the_mean_of_a_large_learning_rate() -> None:
    """exp(-(1 + eta/2) t) from -1 to 0.9629, at t = 2, as `cases/second_order.toml` says of t = 1."""
    case = replace(fpsolver.load(CASES / "second_order.toml", ["run.errors=false"]), simulation=None)
    answer = fpsolver.solve(case).answers["evolution"]
    assert isinstance(answer.results, dict)
    (mean,) = answer.results["mean"]  # type: ignore[misc]
    assert isinstance(mean, Quantity)
    assert mean.value == pytest.approx(0.9629 - 1.9629 * np.exp(-9.0 / 4.0), abs=1e-4)
