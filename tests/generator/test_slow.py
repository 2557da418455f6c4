"""Slow modes: chains watched in some of their states, and their exponentials over all scales of time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from fpsolver.generator.chain import Chain
from fpsolver.generator.slow import Slow
from tests.equations import Array

RATES = np.array([[0.0, 2.0, 0.5, 0.0], [1.0, 0.0, 0.0, 3.0], [0.2, 0.7, 0.0, 0.1], [5.0, 0.0, 0.4, 0.0]])
LEAVING = np.array([0.3, 0.0, 0.05, 1.0])


def slow(chain: Chain, masses: Array | None = None) -> Slow:
    """Modes of a chain whose pins carry given masses."""
    nothing: Any = SimpleNamespace()
    size = chain.size
    return Slow(nothing, range(size), [], [], chain, np.eye(size) if masses is None else masses, 1.0)


@pytest.mark.parametrize("states", [[0, 2], [3, 1], [2], [1, 0, 3, 2]])
def test_a_watched_chain_spends_the_same_time_in_its_states(states: list[int]) -> None:
    """S^-1 holds mean times, and those in the watched states do not depend on who is watched. Catches rates through
    other states that are lost, and states that come out in another order."""
    chain = Chain(RATES, LEAVING)
    times = np.linalg.inv(chain.matrix())[np.ix_(states, states)]
    assert np.linalg.inv(chain.watched(states).matrix()) == pytest.approx(times, rel=1e-12)


def test_an_ordered_chain_has_the_same_solutions() -> None:
    chain, order, load = Chain(RATES, LEAVING), [2, 0, 3, 1], np.array([1.0, 2.0, 3.0, 4.0])
    assert chain.ordered(order).solve(load[order]) == pytest.approx(chain.solve(load)[order], rel=1e-13)


def test_transitions_are_exponentials() -> None:
    """From times when nothing happens to times when nothing is left, with masses that are no diagonal matrix."""
    masses = np.diag([1.0, 0.4, 2.0, 0.7]) + 0.03
    modes = slow(Chain(RATES, LEAVING), masses)
    times = np.geomspace(1e-6, 200.0, 30)
    exactly = np.array([expm(-time * np.linalg.solve(masses, modes.chain.matrix())) for time in times])
    assert modes.transition(times) == pytest.approx(exactly, rel=1e-10, abs=1e-300)
    assert modes.times == pytest.approx(np.linalg.inv(modes.rates), rel=1e-12)


def test_transitions_over_a_hundred_orders_of_magnitude() -> None:
    """A state that is left at the rate 1 into one that is left at the rate 1e-60, and rarely out: closed forms. Catches
    chances taken from rows of the matrix, where 1 + 1e-60 is 1."""
    rare, out = 1e-60, 1e-9
    chain = Chain(np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([out, rare]))
    times = np.array([1e-3, 1.0, 30.0, 1e20, 1e59, 1e60, 2e61])
    found = slow(chain).transition(times)
    fast = np.exp(-(1.0 + out) * times)
    assert found[:, 0, 0] == pytest.approx(fast, rel=1e-9, abs=1e-300)
    late = np.exp(-rare * times)
    assert found[:, 1, 1] == pytest.approx(late, rel=1e-10)
    assert found[:, 0, 1] == pytest.approx((late - fast) / (1.0 + out), rel=1e-9)
    left = 1.0 - found[3, 1].sum()
    assert left == pytest.approx(0.0, abs=1e-14)
