"""Classes of the user's: the same numbers as formulas, refusals with points and numbers, nothing run by a look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpsolver.case import Case, advise, load
from fpsolver.errors import BadUsage, ExitCode
from fpsolver.model import build, remarks

CASE = """\
[domain]
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [4, 4]
[parameters]
depth = 2.0
[loss]
python = "m.py:Landscape"
[noise]
learning_rate = 1.0
batch_size = 2
covariance = "python"
"""
CLASS = """\
import numpy as np


class Landscape:
    def __init__(self, parameters):
        self.depth = parameters["depth"]

    def loss(self, points):
        x, y = points.T
        return self.depth * (x**2 - 1)**2 / 4 + 2 * y**2

    def gradient(self, points):
        x, y = points.T
        return np.stack([self.depth * x * (x**2 - 1), 4 * y], axis=1)

    def covariance(self, points):
        x, y = points.T
        s = 0.2 * np.sin(x * y)
        return np.stack([0.5 + x**2 / 4, s, s, 0.6 + 0 * x], axis=1).reshape(-1, 2, 2)
"""
FORMULA = CASE.replace('python = "m.py:Landscape"', 'expression = "depth*(x**2 - 1)**2/4 + 2*y**2"').replace(
    '"python"', '[["0.5 + x**2/4", "0.2*sin(x*y)"], ["0.2*sin(x*y)", "0.6"]]'
)


def case(folder: Path, text: str = CLASS, toml: str = CASE) -> Case:
    (folder / "m.py").write_text(text)
    (folder / "case.toml").write_text(toml)
    return load(folder / "case.toml")


def test_a_class_is_its_formula(tmp_path: Path) -> None:
    """∇·Σ by differences, of which the user is told."""
    points = np.random.default_rng(1).uniform([-2.0, -1.5], [2.0, 1.5], (300, 2))
    model = build(case(tmp_path))
    found, exact = model(points), build(case(tmp_path, toml=FORMULA))(points)
    for name in ("loss", "gradient", "diffusion"):
        np.testing.assert_allclose(getattr(found, name), getattr(exact, name), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(found.divergence, exact.divergence, atol=1e-11)
    assert any("covariance_divergence" in remark for remark in remarks(model))
    hessian = model.hessian(points)  # type: ignore[attr-defined]
    np.testing.assert_allclose(hessian[:, 0, 0], 2.0 * (3 * points[:, 0] ** 2 - 1), atol=1e-10)
    empty = model(np.empty((0, 2)))
    assert empty.divergence.shape == (0, 2)


def test_looking_at_a_case_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    looked = case(tmp_path, f"open({str(mark)!r}, 'w').close()\n{CLASS}")
    assert any("m.py is run only when the case is" in advice.text for advice in advise(looked))
    assert not mark.exists()
    build(looked)
    assert mark.exists()
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("4 * y]", "5 * y]", "the gradient is wrong at"),
        ("4 * y]", "4 * y * (1 + (x > 1))]", "the gradient is wrong at"),
        ("def gradient", "def grad", "there is no gradient(points); write one, or framework"),
        ("def loss", "def losses", "there is no loss(points)"),
        ("def covariance", "def noise", "there is no covariance(points)"),
        ("+ 2 * y**2", "+ 2 * (y**2).mean()", "it has to treat each row of points for itself"),
        ("2 * y**2", "2 * y**2 + np.log(x)", "is not finite at"),
        ("0.6 + 0 * x", "-0.6 + 0 * x", "covariance(points) has a negative eigenvalue"),
        ("s, s,", "s, 2 * s,", "covariance(points) is not symmetric at"),
        ("axis=1)\n\n    def cov", "axis=0)\n\n    def cov", "gradient(points) has the shape (2, 100)"),
        (
            "x, y = points.T\n        return self",
            "x, y = 1 / 0\n        return self",
            "m.py:9: in loss: ZeroDivisionError",
        ),
        ("import numpy", "import nothing_like_it", "m.py:1: in <module>: ModuleNotFoundError"),
        ("class Landscape", "class Other", "has no class Landscape; its classes are Other"),
        ("class Landscape:", "class Landscape", "m.py:4: SyntaxError"),
        ("import numpy as np", "import numpy as np\nraise SystemExit(1)", "m.py:2: in <module>: SystemExit: 1"),
        ("    def __init__", "    framework = 'tensor'\n\n    def __init__", "framework is 'tensor'; write"),
    ],
)
def test_refusals(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in CLASS
    with pytest.raises(BadUsage) as caught, np.errstate(all="ignore"):
        build(case(tmp_path, CLASS.replace(old, new, 1)))
    assert said in str(caught.value)
    assert caught.value.exit_code == ExitCode.BAD_CASE
    assert "\n" not in str(caught.value)


def test_a_wrong_gradient_is_told_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(BadUsage) as caught:
        build(case(tmp_path, CLASS.replace("4 * y]", "5 * y]")))
    text = str(caught.value)
    given, seen = (float(part.split()[0].rstrip(",")) for part in (text.split(" is ")[-1], text.split("give ")[-1]))
    assert given / seen == pytest.approx(5 / 4, rel=1e-6)


def test_a_wrong_divergence_is_refused(tmp_path: Path) -> None:
    more = "\n    def covariance_divergence(self, points):\n        return 0 * points\n"
    with pytest.raises(BadUsage, match="the divergence of the covariance is wrong"):
        build(case(tmp_path, CLASS + more))


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_a_framework_differentiates(tmp_path: Path, name: str) -> None:
    pytest.importorskip(
        name, reason=f"{name}, an optional extra, is not installed here; tests/slices tries it in a place of its own"
    )
    array = "torch" if name == "torch" else "jax.numpy"
    text = CLASS[: CLASS.index("    def gradient")] + CLASS[CLASS.index("    def covariance") :]
    text = text.replace("import numpy as np", f"import {array} as np").replace("axis=1", "-1")
    text = text.replace("    def __init__", f"    framework = '{name}'\n\n    def __init__")
    points = np.random.default_rng(1).uniform([-2.0, -1.5], [2.0, 1.5], (300, 2))
    model = build(case(tmp_path, text))
    found, exact = model(points), build(case(tmp_path, toml=FORMULA))(points)
    for field in ("loss", "gradient", "diffusion", "divergence"):
        np.testing.assert_allclose(getattr(found, field), getattr(exact, field), rtol=1e-12, atol=1e-13)
    hessian = model.hessian(points)  # type: ignore[attr-defined]
    np.testing.assert_allclose(hessian[:, 0, 0], 2.0 * (3 * points[:, 0] ** 2 - 1), atol=1e-12)
    assert not remarks(model)


def test_momentum_takes_a_class_of_the_position(tmp_path: Path) -> None:
    text = "class Well:\n    def loss(self, p):\n        return p[:, 0]**4\n"
    text += "    def gradient(self, p):\n        return 4*p**3\n"
    toml = '[domain]\nlower = [-2.0, -3.0]\nupper = [2.0, 3.0]\ncells = [4, 4]\ncoordinates = ["x", "v"]\n'
    toml += '[loss]\npython = "m.py:Well"\n[noise]\ndiffusion = 0.1\n[momentum]\nfriction = 1.0\n'
    found = build(case(tmp_path, text, toml))(np.array([[0.5, 1.0]]))
    assert found.loss[0] == pytest.approx(0.5**4 + 0.5)
