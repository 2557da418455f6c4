"""Right cases to start from: a plain one, one with data, and one that uses every section."""

from __future__ import annotations

GOOD = """\
title = "two minima"
[parameters]
d = 0.1
[domain]
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [32, 24]
[loss]
expression = "(x**2 - 1)**2/4 + 2*y**2"
[noise]
diffusion = "d"
[regions]
left = "x < 0"
right = "x > 0"
[evolution]
initial = { gaussian = { mean = [-1.0, 0.0], std = 0.2 } }
end_time = 10.0
[[probe]]
point = [-0.5, 0.1]
"""


IRIS = """\
[domain]
lower = [-3, -3]
upper = [3, 3]
cells = [36, 36]
coordinates = ["a", "b"]
[loss]
per_sample = "(target - b*tanh(a*feature))**2/2"
[data]
file = "iris.csv"
columns = { feature = "petal length", target = "petal_width" }
standardize = true
[noise]
learning_rate = 0.5
batch_size = 4
"""
CSV = "petal length,petal_width\n1.4,0.2\n4.7,1.4\n\n6.0,2.5\n"

FULL = """\
title = "everything \\"quoted\\" é"
[parameters]
d = 0.1
half = "width/2"
width = "4*d + 3.6"
n = 2
[domain]
shape = "box"
lower = ["-half", "-1.5"]
upper = ["half", 1.5]
cell_size = "width/32"
coordinates = ["u", "v"]
diagonal = "crossed"
[loss]
expression = "(u**2 - 1)**2/4 + 2*v**2"
[drift]
extra = ["-v", "u"]
[noise]
diffusion = [["d", "d*u/9"], ["d*u/9", "0.2"]]
regularization = "d/10"
potential = "u**2/d"
[boundary]
absorbing = "u > 1.99"
influx = "d"
influx_on = "u < -1.99"
[regions]
left = "u < 0"
right = "u > 0 and v < 1"
[discretization]
degree = "n + 1"
[evolution]
initial = { expression = "exp(-u**2 - v**2)" }
output_times = ["d", 1, 2.5]
end_time = "3*n"
tolerance = 1e-6
method = "sdirk"
[stationary]
[[exit]]
region = "left"
start = [[-1, 0], ["-d", "d"]]
moments = "n + 1"
[[exit]]
region = "right"
[[committor]]
source = "left"
target = "right"
[[probe]]
point = ["d", 0]
[[probe]]
point = [0, 0]
[entropy]
kinds = ["chi2"]
[simulation]
kind = "sde"
[output]
format = "pvd"
[run]
walltime = "01:02:03"
"""


def changed(old: str, new: str, text: str = GOOD) -> str:
    """The good case with one part replaced."""
    assert old in text
    return text.replace(old, new)
