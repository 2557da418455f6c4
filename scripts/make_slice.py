"""Make data/network_slice.npz: the plane through three networks that have learned irises, for cases/network_slice.toml.

    python scripts/make_slice.py [OUTPUT] [--points N]

Needs PyTorch and numpy, on Python 3.11 or newer; takes about half a minute, and gives the same table each time.

Networks with eight hidden units (4-8-3, tanh, 67 parameters) learn the species of irises from four measurements, each
from a start of its own, with cross-entropy and weight decay, until the gradient vanishes. Then the plane through three
of them is cut out of their 67-dimensional landscape: its origin is halfway between the first two, its first axis leads
from the first to the second, its second axis to the third. The covariance is that of the gradients of single flowers,
seen in this plane.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import torch

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from fpsolver.slices import Network, orthonormal  # noqa: E402

MEASURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SEEDS = (0, 1, 2)
HIDDEN = 8
DECAY = 0.01
REACH = (7.0, 7.0)
"""The table covers so much on either side of the origin."""


def irises() -> tuple[torch.Tensor, torch.Tensor]:
    """Four standardised measurements (150, 4) and species 0, 1, 2 (150,)."""
    with open(PROJECT / "data" / "iris.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    inputs = torch.tensor([[float(row[name]) for name in MEASURES] for row in rows], dtype=torch.float64)
    species = sorted({row["species"] for row in rows})
    inputs = (inputs - inputs.mean(0)) / inputs.std(0, correction=0)
    return inputs, torch.tensor([species.index(row["species"]) for row in rows])


def trained(seed: int, inputs: torch.Tensor, classes: torch.Tensor) -> torch.nn.Module:
    """A network at a minimum of its loss."""
    torch.manual_seed(seed)
    module = torch.nn.Sequential(torch.nn.Linear(4, HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 3)).double()
    optimizer = torch.optim.LBFGS(
        module.parameters(), max_iter=5000, tolerance_grad=1e-10, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        decay = sum((value**2).sum() for value in module.parameters())
        loss = torch.nn.functional.cross_entropy(module(inputs), classes) + DECAY / 2 * decay
        loss.backward()
        return loss

    optimizer.step(closure)
    return module


def per_sample(outputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of every flower."""
    return torch.nn.functional.cross_entropy(outputs, classes, reduction="none")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", nargs="?", type=Path, default=PROJECT / "data" / "network_slice.npz")
    parser.add_argument("--points", type=int, default=71, help="of the grid, along each axis (default 71)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    inputs, classes = irises()
    modules = [trained(seed, inputs, classes) for seed in SEEDS]
    first, second, third = (Network(module, per_sample, inputs, classes, decay=DECAY).centre for module in modules)
    torch.nn.utils.vector_to_parameters((first + second) / 2, modules[0].parameters())
    network = Network(modules[0], per_sample, inputs, classes, decay=DECAY)
    directions = torch.stack([second - first, third - network.centre])
    plane = network.slice_along(directions, [np.linspace(-reach, reach, args.points) for reach in REACH])
    plane.save(args.output)
    basis = orthonormal(directions)
    print(f"{args.output}: {args.points} x {args.points} points")
    for name, at in zip("ABC", (first, second, third), strict=True):
        place = basis @ (at - network.centre)
        slope = float(network.gradient(at).norm())
        print(f"network {name} at ({place[0]:.6f}, {place[1]:.6f}), loss {network.value(at):.8f}, gradient {slope:.1e}")


if __name__ == "__main__":
    main()
