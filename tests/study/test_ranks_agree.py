"""The same case on one, two and three ranks: every physical quantity is the same number."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launching import clean_environment, fpsolver_command

PROJECT = Path(__file__).parents[2]
OUTPUT = "[output]\nfigures = false\n"
NO_ERRORS = "[run]\nerrors = false\n"  # companions take the same way through the program

CASES = {
    "interval": """[domain]
shape = "box"
lower = [-3.0]
upper = [3.0]
cells = [40]
[loss]
expression = "x**2/2"
[noise]
diffusion = "0.3*(0.1 + x**2)"
[regions]
tail = "x**2 > 1"
[evolution]
initial = { uniform = "tail" }
end_time = 2.0
frames = 4
[[probe]]
point = [0.0]
""",
    "wells": """[domain]
shape = "box"
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [14, 10]
[loss]
expression = "(x**2 - 1)**2/4 + 2*y**2"
[noise]
diffusion = 0.2
[regions]
right = "x > 0.03"
disc = "x**2 + y**2 < 0.5"
[evolution]
initial = { gaussian = { mean = [-1.0, 0.0], std = 0.2 } }
end_time = 3.0
frames = 4
[[probe]]
point = [0.0, 0.0]
""",
    "spiral": """[domain]
shape = "box"
lower = [-3.0, -3.0]
upper = [3.0, 3.0]
cells = [12, 12]
[drift]
extra = ["-x-y", "x-0.5*y"]
[noise]
diffusion = [["0.3", "0"], ["0", "0.1"]]
[regions]
right = "x > 0"
[evolution]
initial = { point = [0.5, 0.0] }
end_time = 2.0
frames = 2
[[probe]]
point = [0.2, 0.1]
""",
    "samples": f"""[domain]
shape = "box"
lower = [-3.0, -3.0]
upper = [3.0, 3.0]
cells = [12, 12]
coordinates = ["a", "b"]
[loss]
per_sample = "(target - b*tanh(a*feature))**2/2"
[data]
file = "{PROJECT}/data/iris.csv"
columns = {{ feature = "petal_length", target = "petal_width" }}
standardize = true
[noise]
learning_rate = 0.5
batch_size = 1
covariance = "samples"
[regions]
a_negative = "a < 0"
[evolution]
initial = {{ gaussian = {{ mean = [0.3, 0.6], std = 0.4 }} }}
end_time = 2.0
frames = 2
""",
    "gathering": """[domain]
shape = "box"
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [14, 10]
[loss]
expression = "(x**2 - 1)**2/4 + 0.05*x + 2*y**2"
[noise]
diffusion = "0.05 + 0.1*y**2"
[evolution]
initial = { gaussian = { mean = [-0.6, 0.3], std = 0.2 } }
end_time = 3.0
frames = 4
[concentration]
share = 0.4
""",
    "three": """[domain]
shape = "box"
lower = [-2.0, -1.5, -1.5]
upper = [2.0, 1.5, 1.5]
cells = [6, 4, 4]
[loss]
expression = "(x**2 - 1)**2/4 + y**2 + z**2"
[noise]
diffusion = 0.2
[regions]
right = "x > 0.1"
[evolution]
initial = { gaussian = { mean = [-1.0, 0.0, 0.0], std = 0.4 } }
end_time = 2.0
frames = 2
[[probe]]
point = [0.1, 0.1, 0.0]
""",
    "escape": """[domain]
shape = "box"
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [14, 10]
[loss]
expression = "(x**2 - 1)**2/4 + 2*(y - x/2)**2 + 0.02*x"
[noise]
diffusion = [["0.03", "0.02"], ["0.02", "0.03"]]
[regions]
left = "x < 0"
disc = "(x + 1)**2 + (y + 0.5)**2 < 0.3"
[[exit]]
region = "left"
start = [[-1.0, -0.5], [-0.5, 0.0]]
[[exit]]
region = "disc"
start = [[-0.9, -0.4]]
initial = { gaussian = { mean = [-1.0, -0.5], std = 0.1 } }
moments = 3
[stationary]
eigenvalues = 4
[[probe]]
point = [-0.7, -0.3]
""",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """results.json of all cases by number of ranks; three processes do all the work."""
    folder = tmp_path_factory.mktemp("ranks")
    for name, text in CASES.items():
        errors = "" if name == "interval" else NO_ERRORS
        (folder / f"{name}.toml").write_text(f'title = "{name}"\n{text}{OUTPUT}{errors}')
    found = {}
    for ranks in (1, 2, 3):
        out = folder / str(ranks)
        words = fpsolver_command("run", *(f"{name}.toml" for name in CASES), "-o", str(out), ranks=ranks)
        run = subprocess.run(words, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=240)
        assert run.returncode in (0, 4), run.stdout + run.stderr
        found[ranks] = {name: json.loads((out / name / "results.json").read_text()) for name in CASES}
    return found


def quantities(entry: object, place: str = "") -> Iterator[tuple[str, float | None]]:
    """Every {"value": ..} below an entry, with its place."""
    if isinstance(entry, dict):
        if "value" in entry and "error" in entry:
            yield place, entry["value"]
            return
        for key, value in entry.items():
            yield from quantities(value, f"{place}.{key}")
    if isinstance(entry, list):
        for i, value in enumerate(entry):
            yield from quantities(value, f"{place}.{i}")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("ranks", [2, 3])
def test_every_physical_quantity_is_the_same_on_any_number_of_ranks(
    results: dict[int, dict[str, Any]], name: str, ranks: int
) -> None:
    """To 1e-8 of its scale: itself for times and rates, one for masses and lengths of these boxes."""
    one, many = results[1][name], results[ranks][name]
    assert (one["ranks"], many["ranks"]) == (1, ranks)
    assert one["mesh"] == many["mesh"]
    assert one["generator"] == many["generator"]
    expected, found = dict(quantities(one)), dict(quantities(many))
    assert expected.keys() == found.keys()
    assert len(found) >= 4
    for place, value in found.items():
        if value is None or expected[place] is None:  # it does not apply, and that on any number of ranks
            assert value == expected[place], place
            continue
        least = 0.0 if any(word in place for word in ("exit", "gap", "rate")) else 1e-8
        assert value == pytest.approx(expected[place], rel=1e-8, abs=least), place


@pytest.mark.slow
def test_the_cases_are_of_the_kinds_that_they_stand_for(results: dict[int, dict[str, Any]]) -> None:
    generators = {name: result["generator"] for name, result in results[1].items()}
    assert generators["wells"]["reversible"]
    assert generators["three"]["degree"] == 2
    assert not generators["spiral"]["reversible"]
    escape = results[1]["escape"]
    assert not generators["escape"]["reversible"]
    assert (escape["stationary"]["wells"], escape["stationary"]["states"]) == (2, 1)
    assert len(escape["exit"]) == 2
    assert [generators[name]["weight"] for name in ("interval", "wells", "spiral", "three")] == [
        "integrated",
        "potential",
        "fitted",
        "potential",
    ]
