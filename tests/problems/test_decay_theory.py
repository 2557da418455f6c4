"""Which theorem applies, what it promises, and whether what was measured agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from fpsolver import load
from fpsolver.model import build
from fpsolver.model.field import Field
from fpsolver.output.tables import section_tables
from fpsolver.problems.entropy.table import contradictions, summary_of
from fpsolver.problems.entropy.theory import known_decay, theory_of_decay
from fpsolver.quantity import Quantity
from tests.equations import COMM
from tests.model.gaussians import entropy, gaussian
from tests.problems.cases import box
from tests.problems.settings import setting

CONVEX = "[loss]\nexpression = 'x**2/2 + y**2'\n[noise]\ndiffusion = 0.2\n"
WELLS = "[loss]\nexpression = '(x**2 - 1)**2/4 + y**2'\n[noise]\ndiffusion = 0.1\n"
KINETIC = "[drift]\nextra = ['y', '-x - 2*y']\n[noise]\ndiffusion = [[0, 0], [0, 0.2]]\n"
SPIRAL = "[drift]\nextra = ['-x - y', 'x - 0.5*y']\n[noise]\ndiffusion = [[0.2, 0], [0, 0]]\n"
NOWHERE = "[loss]\nexpression = 'x**2/2 + y**2'\n[noise]\ndiffusion = [[0.2, 0], [0, 0]]\n"
BENT = "[loss]\nexpression = 'x**2 + y**2'\n[noise]\ndiffusion = '0.2 + 0.02*x**2'\n"


def theory(folder: Path, text: str, measured: Any = None, gap: Quantity | None = None) -> dict[str, Any]:
    return theory_of_decay(setting(folder, box([-2, -2], [2, 2], [2, 2]) + text), measured or {}, gap)


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["theorem"]: each for each in found["theory"]}


def promises(found: dict[str, Any]) -> dict[str, float]:
    return {name: each["promises"].value for name, each in rows(found).items() if each["applies"]}


def plain(entry: Any) -> Any:
    """As in results.json."""
    match entry:
        case Quantity():
            return entry.as_json()
        case dict():
            return {key: plain(part) for key, part in entry.items()}
        case list():
            return [plain(part) for part in entry]
    return entry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CONVEX, {"Bakry-Emery": 2.0, "modified entropy": 2.0, "Wasserstein contraction": 1.0, "Holley-Stroock": 2.0}),
        (WELLS, {"Holley-Stroock": 0.0111}),
        (SPIRAL, {"modified entropy": 1.5, "Wasserstein contraction": 0.75}),
        (KINETIC, {"modified entropy": 1.98, "Wasserstein contraction": 0.99}),  # a Jordan block
        (NOWHERE, {"Wasserstein contraction": 1.0}),
        (BENT, {"Bakry-Emery": 2.87, "Wasserstein contraction": 1.95}),
    ],
)
@pytest.mark.parallel
def test_what_applies(shared_folder: Path, text: str, expected: dict[str, float]) -> None:
    found = theory(shared_folder, text)
    assert promises(found) == pytest.approx(expected, rel=0.05)
    assert json.loads(json.dumps(plain(found), allow_nan=False))
    everywhere = COMM.allgather(json.dumps(plain(found)))
    assert len(set(everywhere)) == 1
    assert all(each["why"] for each in found["theory"])


def test_what_a_user_reads(shared_folder: Path) -> None:
    """Minus infinity is words, never a number."""
    found = theory(shared_folder, SPIRAL)
    assert found["bakry_emery"]["curvature"].value is None
    assert found["bakry_emery"]["curvature"].why.startswith("the curvature is minus infinity: ")
    assert found["modified_entropy"]["mu"].value == pytest.approx(0.75)
    assert found["modified_entropy"]["mu"].error == 0.0
    matrix = np.array(found["modified_entropy"]["matrix"])
    assert np.linalg.eigvalsh(matrix).min() > 0.0
    lost = theory(shared_folder, NOWHERE)
    assert "no density" in rows(lost)["modified entropy"]["why"]
    assert lost["modified_entropy"]["directions_reached"] == 1
    saddle = theory(shared_folder, WELLS)
    assert saddle["bakry_emery"]["curvature"].value == pytest.approx(-1.0)
    assert saddle["bakry_emery"]["point"] == [0.0, 0.0]
    assert "(x, y) = (0, 0)" in rows(saddle)["Bakry-Emery"]["why"]
    lines = dict(summary_of(saddle))
    assert lines["rate by Bakry-Emery"] == Quantity(None, why=rows(saddle)["Bakry-Emery"]["why"])
    assert lines["rate by Holley-Stroock"] is rows(saddle)["Holley-Stroock"]["promises"]


def test_the_table_that_is_shown(shared_folder: Path) -> None:
    """A row per theorem; reasons are footnotes, and what does not apply has neither promise nor verdict."""
    reasons: list[str] = []
    found = plain(theory(shared_folder, WELLS, {"kl": 0.1}, Quantity(0.05)))
    first, table = section_tables("entropy", found, ("x", "y"), reasons)
    assert not any("theory" in line[0] for line in first.rows)
    assert table.title == "entropy: theory"
    lines = {line[0]: line[1:] for line in table.rows}
    assert lines["Bakry-Emery"][1:] == ("–", "", "", "", "")
    assert lines["spectral gap"][1:] == ("0.1", "up to a constant factor", "0.1", "kl", "yes")
    assert reasons[int(lines["Bakry-Emery"][0].strip("()")) - 1] == rows(found)["Bakry-Emery"]["why"]


def test_measured_rates_are_judged(shared_folder: Path) -> None:
    """A promise for all times is broken by a slower decay; one up to a factor is only not reached yet."""
    good = theory(shared_folder, CONVEX, {"kl": 2.0001, "chi2": Quantity(2.0)}, Quantity(1.0))
    assert {name: each["holds"] for name, each in rows(good).items()} == dict.fromkeys(rows(good), True) | {
        "Wasserstein contraction": True
    }
    assert contradictions(good) == []
    assert rows(good)["spectral gap"]["promises"].value == 2.0
    slow = theory(shared_folder, CONVEX, {"kl": 2.5, "chi2": 1.7})
    assert rows(slow)["Bakry-Emery"]["holds"] is False
    assert rows(slow)["Bakry-Emery"]["concerns"] == "chi2"
    assert rows(slow)["modified entropy"]["holds"] is None
    assert rows(slow)["Wasserstein contraction"]["holds"] is None
    (one, _) = contradictions(slow)
    assert "Bakry-Emery promises that chi2 decays at 2 or faster" in one
    nothing = theory(shared_folder, CONVEX, {"kl": None, "chi2": Quantity(None, why="no decay was seen")})
    assert {each["holds"] for each in nothing["theory"]} == {None}


def test_no_promise_may_exceed_the_gap(shared_folder: Path) -> None:
    """Without a measurement the spectrum is the judge."""
    assert rows(theory(shared_folder, CONVEX, gap=Quantity(1.0)))["Bakry-Emery"]["holds"] is True
    assert rows(theory(shared_folder, CONVEX, gap=Quantity(0.9)))["Bakry-Emery"]["holds"] is False
    assert rows(theory(shared_folder, CONVEX, gap=Quantity(0.9)))["Wasserstein contraction"]["holds"] is False


def test_it_is_made_once(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = setting(shared_folder, box([-2, -2], [2, 2], [2, 2]) + CONVEX)
    first = theory_of_decay(here, {}, None)

    def again(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr("fpsolver.problems.entropy.theory.known_decay", again)
    assert plain(theory_of_decay(here, {}, None)) == plain(first)
    assert plain(theory_of_decay(here.companion(2), {}, None)) == plain(first)


@pytest.mark.parametrize("seed", range(4))
def test_linear_drifts_keep_all_promises(tmp_path: Path, seed: int) -> None:
    """Random drift and noise: KL of exact Gaussians against each promise, and each against the slowest eigenvalue."""
    random = np.random.default_rng(seed)
    c = np.array([[1.5, 0.0], [0.0, 1.0]]) + 0.3 * random.normal(size=(2, 2))
    root = random.normal(size=(2, 2))
    d = 0.1 * root @ root.T + (0.02 * np.eye(2) if seed else 0.0)
    extra = [f"{-row[0]}*x + ({-row[1]})*y" for row in c]
    case = tmp_path / "case.toml"
    text = f"[drift]\nextra = {extra}\n[noise]\ndiffusion = {d.tolist()}\n"
    case.write_text(box([-3, -2], [3, 2], [2, 2]) + text, encoding="utf-8")
    loaded = load(case)
    known = known_decay(Field(build(loaded), loaded.domain))
    slowest = float(np.linalg.eigvals(c).real.min())
    assert known.modified.contraction.rate == pytest.approx(slowest, rel=1e-8)
    assert known.curvature.value <= slowest + 1e-8
    assert known.coupling.rate <= slowest + 1e-8
    stationary = solve_continuous_lyapunov(-c, -2.0 * d)
    times = np.linspace(0.0, 5.0, 51)
    for _ in range(5):
        mean, covariance = random.normal(size=2), np.diag(random.uniform(0.05, 1.0, 2))
        kl = np.array([entropy(*gaussian(-c, stationary, mean, covariance, time), stationary) for time in times])
        rates = -np.diff(np.log(kl)) / np.diff(times)
        assert rates.min() >= 2.0 * known.curvature.value - 1e-7


@pytest.mark.parametrize("text", [CONVEX, SPIRAL, WELLS, BENT])
def test_rates_are_per_time(tmp_path: Path, text: str) -> None:
    """Drift and noise three times as large: everything is three times as fast, and nothing else changes."""
    found = []
    for factor in (1, 3):
        case = tmp_path / f"case{factor}.toml"
        faster = text.replace("expression = '", f"expression = '{factor}*(").replace("'\n[noise]", ")'\n[noise]")
        faster = faster.replace("['-x - y', 'x - 0.5*y']", f"['{factor}*(-x - y)', '{factor}*(x - 0.5*y)']")
        head, noise = faster.split("diffusion = ")
        noise = noise.strip().strip("'")
        noise = f"[['{factor}*0.2', 0], [0, 0]]" if noise.startswith("[") else f"'{factor}*({noise})'"
        case.write_text(box([-2, -2], [2, 2], [2, 2]) + f"{head}diffusion = {noise}\n", encoding="utf-8")
        loaded = load(case)
        found.append(known_decay(Field(build(loaded), loaded.domain)))
    one, three = found
    assert three.curvature.value == pytest.approx(3.0 * one.curvature.value, rel=1e-7)
    assert three.coupling.rate == pytest.approx(3.0 * one.coupling.rate, rel=1e-7)
    assert (three.modified.contraction.rate or 0.0) == pytest.approx(3.0 * (one.modified.contraction.rate or 0.0))
    assert (three.envelope.rate or 0.0) == pytest.approx(3.0 * (one.envelope.rate or 0.0), rel=1e-3)
    assert three.curvature.why == one.curvature.why
