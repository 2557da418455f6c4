"""What a change of units, of the origin or of the orientation may not change: nothing here knows a number by heart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.equations import Array
from tests.problems.answers import Solved, solved
from tests.problems.cases import box
from tests.problems.texts import leave, regions, settle


@dataclass(frozen=True)
class Frame:
    """Coordinates X = scale (x - origin) with x perhaps mirrored, and a clock that runs faster.

    The model is two unequal wells with correlated noise that grows away from the origin, and no detailed balance.
    """

    scale: float = 1.0
    speed: float = 1.0
    origin: tuple[float, float] = (0.0, 0.0)
    mirror: float = 1.0

    def text(self) -> str:
        u = f"({self.mirror / self.scale!r}*(x - {self.origin[0]!r}))"
        v = f"({1 / self.scale!r}*(y - {self.origin[1]!r}))"
        f = self.speed * self.scale**2
        loss = f"{f!r}*(({u}**2 - 1)**2/4 + ({v} - {u}/2)**2 + 0.04*{u})"
        d = [
            [f"{0.1 * f!r}*(1 + 0.2*{u}**2)", f"{0.05 * f * self.mirror!r}"],
            [f"{0.05 * f * self.mirror!r}", f"{0.1 * f!r}*(1 + 0.1*{v}**2)"],
        ]
        corners = np.array(self.place(-2.0, -1.5)), np.array(self.place(2.0, 1.5))
        return (
            box(np.minimum(*corners).tolist(), np.maximum(*corners).tolist(), (10, 8), self.diagonal)
            + f'[loss]\nexpression = "{loss}"\n[noise]\ndiffusion = {d}\n'.replace("'", '"')
            + regions(left=f"{u} + 0.2*{v} < 0", disc=f"({u} + 1)**2 + ({v} + 0.5)**2 < 0.3")
            + settle(3)
            + leave("left", self.place(-1.0, -0.4), self.place(-0.5, 0.1), more="moments = 3\n")
            + leave("disc", self.place(-0.9, -0.45), more="moments = 3\n")
        )

    @property
    def diagonal(self) -> str:
        return "right" if self.mirror > 0 else "left"

    def place(self, x: float, y: float) -> list[float]:
        return [self.origin[0] + self.mirror * self.scale * x, self.origin[1] + self.scale * y]


def times(run: Solved) -> Array:
    """Everything that is measured in powers of time, each made a time."""
    found = [1.0 / run.gap, *(1.0 / value.real for value in run.eigenvalues)]
    for number, entry in enumerate(run.exits):
        found.append(1.0 / run.rate(number))
        for start in entry["starts"]:
            found.append(start["standard_deviation"]["value"])
            found += [moment["value"] ** (1 / k) for k, moment in enumerate(start["moments"], start=1)]
    return np.array(found)


def numbers(run: Solved) -> Array:
    """Everything without a unit."""
    return np.array([run.mass("left"), run.mass("disc"), run.exits[0]["unknowns"], run.stationary["unknowns"]])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Solved:
    return solved(tmp_path_factory.mktemp("plain"), Frame().text())


@pytest.mark.parametrize(
    ("frame", "tolerance"),
    [
        (Frame(speed=1e-6), 1e-8),
        (Frame(scale=1e-4), 1e-8),
        (Frame(scale=2e3, speed=3e5), 1e-8),
        (Frame(origin=(30.0, -7.0)), 1e-7),
        (Frame(mirror=-1.0), 3e-4),  # ties among cells are broken by their numbers, so this is another mesh
    ],
    ids=["slow", "small", "large and fast", "far", "mirrored"],
)
def test_units_and_frames_change_nothing_but_units(
    shared_folder: Path, plain: Solved, frame: Frame, tolerance: float
) -> None:
    """Catches tolerances in somebody's unit of length or time (in grading, exit sets, pins, eigenvalues), a place that
    is measured from 0, and a sign of the off-diagonal noise or of a diagonal of the mesh."""
    run = solved(shared_folder, frame.text())
    np.testing.assert_allclose(numbers(run), numbers(plain), rtol=tolerance)
    np.testing.assert_allclose(times(run) * frame.speed, times(plain), rtol=tolerance)
    np.testing.assert_allclose(run.mean, frame.place(*plain.mean), rtol=0, atol=tolerance * frame.scale)
    signs = frame.scale * np.array([frame.mirror, 1.0])
    covariance = plain.covariance * np.outer(signs, signs)
    np.testing.assert_allclose(run.covariance, covariance, rtol=0, atol=tolerance * frame.scale**2)
    assert plain.passed
    assert run.passed


def test_noise_from_a_learning_rate(shared_folder: Path) -> None:
    """D = learning_rate/(2 batch_size) covariance, and a time is that many iterations times the learning rate. Catches
    a factor 2, and a variance in the wrong unit."""
    wells = box([-2.0], [2.0], [40]) + '[loss]\nexpression = "(x**2 - 1)**2/4"\n'
    asked = regions(left="x < 0") + leave("left", [-1])
    noise = '[noise]\nlearning_rate = 0.5\nbatch_size = 2\ncovariance = [["0.8"]]\n'
    run = solved(shared_folder, wells + noise + asked)
    direct = solved(shared_folder, wells + "[noise]\ndiffusion = 0.1\n" + asked)
    assert run.means() == pytest.approx(direct.means(), rel=1e-9)
    assert run.variances() == pytest.approx(direct.variances(), rel=1e-9)
    assert run.exits[0]["starts"][0]["iterations"]["value"] == pytest.approx(direct.means()[0] / 0.5, rel=1e-9)
    assert direct.exits[0]["starts"][0]["iterations"] is None
