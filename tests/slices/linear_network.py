"""Run by a Python with PyTorch: slices of a linear network with squared loss, whose landscape is known in closed form.

python linear_network.py FOLDER
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch

from fpsolver.slices import Network, orthonormal

folder = Path(sys.argv[1])
torch.manual_seed(3)
module = torch.nn.Linear(4, 1)
inputs, targets = torch.randn(57, 4), torch.randn(57, 1)


def half_square(outputs: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return ((outputs - wanted) ** 2).sum(dim=1) / 2


network = Network(module, half_square, inputs, targets, batch=20)
given = {"x": inputs.double().numpy(), "y": targets.double().numpy()[:, 0], "centre": network.centre.numpy()}
axis = np.linspace(-2.0, 2.0, 9)
for name, directions in {
    "hessian": network.top_hessian(3),
    "noise": network.top_covariance(2),
    "random": network.random(1, seed=5),
}.items():
    plane = network.slice_along(directions, [axis] * len(directions))
    plane.save(folder / f"{name}.npz")
    given[name] = plane.directions

batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=10)
decayed = Network(module, half_square, batches, decay=0.5)
decayed.slice_along(torch.tensor(given["hessian"][:2]) * 3.0, [axis] * 2).save(folder / "decay.npz")

failures = {}
for name, call in {
    "dependent": lambda: orthonormal(torch.tensor([[1.0, 2.0], [2.0, 4.0]])),
    "mean": lambda: Network(module, torch.nn.functional.mse_loss, inputs, targets),
    "many": lambda: network.slice_along(torch.ones(2, 3), [axis] * 2),
    "lengths": lambda: Network(module, half_square, inputs, targets[:5]),
}.items():
    try:
        call()
    except ValueError as error:
        failures[name] = str(error)
np.savez(folder / "given.npz", **given, **failures)

# the derivatives of classes in Python, from the file alone: the rest of the program may ask for a newer Python
path = Path(__file__).parents[2] / "fpsolver" / "model" / "autodiff.py"
spec = importlib.util.spec_from_file_location("autodiff", path)
assert spec is not None
assert spec.loader is not None
autodiff = importlib.util.module_from_spec(spec)
spec.loader.exec_module(autodiff)
points = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 2))
for name, module in {"torch": "torch", "jax": "jax.numpy"}.items():
    if importlib.util.find_spec(name) is None:
        continue
    ours, array = autodiff.framework(name), importlib.import_module(module)
    at = ours.given(points)
    np.savez(
        folder / f"derivatives_{name}.npz",
        points=points,
        slope=ours.plain(ours.slopes(lambda p: p[:, 0] ** 3 * p[:, 1])(at)),
        bend=ours.plain(ours.bends(lambda p: p[:, 0] ** 3 * p[:, 1])(at)),
        constant=ours.plain(ours.slopes(lambda p, array=array: array.ones((len(p), 2, 2)))(at)),
        tensor=ours.plain(ours.slopes(lambda p: p[:, :, None] * p[:, None, :])(at)),
    )
