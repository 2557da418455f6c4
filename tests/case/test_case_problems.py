"""Cases of the kinds that the program is made for: each is read, and says what is meant."""

from __future__ import annotations

import pytest

from fpsolver.case import BadCase, Case

MULLER_BROWN = (
    "-200*exp(-(x-1)**2-10*y**2)-100*exp(-x**2-10*(y-0.5)**2)"
    "-170*exp(-6.5*(x+0.5)**2+11*(x+0.5)*(y-1.5)-6.5*(y-1.5)**2)"
    "+15*exp(0.7*(x+1)**2+0.6*(x+1)*(y-1)+0.7*(y-1)**2)"
)

CASES = {
    "tilted double well, exit": """
[domain]
lower = [-2.0]
upper = [2.0]
cells = [40]
[loss]
expression = "(x**2 - 1)**2/4 + 0.1*x"
[noise]
diffusion = 0.01
[regions]
left = "x < 0"
[[exit]]
region = "left"
start = [[-1]]
[stationary]
eigenvalues = 2
""",
    "kinetic, singular noise and a known potential": """
[domain]
lower = [-2.5, -3.0]
upper = [2.5, 3.0]
cells = [40, 40]
coordinates = ["x", "p"]
[drift]
extra = ["p", "-(x**3 - x) - p"]
[noise]
diffusion = [["0", "0"], ["0", "0.2"]]
potential = "((x**2 - 1)**2/4 + p**2/2)/0.2"
[regions]
left = "x < 0"
[[exit]]
region = "left"
start = [[-1, 0]]
""",
    "noise that vanishes at a point, absorbing ends": """
[domain]
lower = [-1.0]
upper = [1.0]
cells = [100]
[loss]
expression = "x**2/2"
[noise]
diffusion = "0.3*x**2"
[boundary]
absorbing = "abs(x) > 0.999"
[regions]
all = "x**2 < 1"
slab = "(x - 0.1)*(x - 1) < 0"
[[exit]]
region = "all"
start = [[0.0]]
[[exit]]
region = "slab"
start = [[0.5]]
""",
    "committor between small discs": f"""
[domain]
lower = [-1.5, -0.2]
upper = [1.2, 2.0]
cells = [40, 33]
[loss]
expression = "{MULLER_BROWN}"
[noise]
diffusion = 10
[regions]
a = "(x + 0.558)**2 + (y - 1.442)**2 < 0.01"
b = "(x - 0.623)**2 + (y - 0.028)**2 < 0.01"
[[committor]]
source = "a"
target = "b"
[[probe]]
point = [-0.822, 0.624]
""",
    "three dimensions": """
[domain]
lower = [-2.0, -1.5, -1.5]
upper = [2.0, 1.5, 1.5]
cells = [20, 15, 15]
[loss]
expression = "(x**2 - 1)**2/4 + (y + 0.5*(x**2 - 1))**2 + (z - 0.5*x*y)**2"
[noise]
diffusion = 0.1
[regions]
left = "x < 0"
[[exit]]
region = "left"
start = [[-1, 0, 0], [-1.2, -0.2, 0.1]]
""",
    "noise that varies, entropies": """
[domain]
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [24, 18]
[loss]
expression = "(x**2 - 1)**2/4 + 2*y**2"
[noise]
diffusion = [["0.1*(0.3 + 0.5*x*x)", "0.05*x*y"], ["0.05*x*y", "0.1*(0.3 + 0.5*y*y)"]]
[evolution]
initial = { gaussian = { mean = [-1.0, 0.0], std = 0.1 } }
end_time = 1.0
[entropy]
kinds = ["kl", "chi2"]
""",
}


@pytest.mark.usefixtures("everything_available")
@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_each_is_read(load_text, text: str) -> None:
    case: Case = load_text(text)
    assert len(case.domain.cells) == case.dimension
    assert len(case.exits) == text.count("[[exit]]")
    assert len(case.committors) == text.count("[[committor]]")


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_what_cannot_be_solved_yet_is_all_that_is_said(load_text, text: str) -> None:
    found: tuple[object, ...] = ()
    try:
        load_text(text)
    except BadCase as error:
        found = error.mistakes
    assert all("is not available in this version" in str(mistake) for mistake in found)


def test_a_ball_is_accepted_and_an_annulus_needs_a_hole_that_fits(load_text, mistakes) -> None:
    text = """
[domain]
shape = "ball"
center = [0.0, 0.0, 0.0]
radius = 1.0
cell_size = 0.12
[loss]
expression = "(x**2 + y**2 + z**2)/2"
[noise]
diffusion = 0.1
"""
    assert load_text(text).domain.radius == 1.0
    found = mistakes(text.replace('"ball"', '"annulus"').replace("radius = 1.0", "radius = 1.0\ninner_radius = 1.5"))
    assert ["inner_radius: 1.5 is not below radius (1)" in line for line in found] == [True]
