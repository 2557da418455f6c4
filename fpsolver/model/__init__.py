"""Loss and noise as vectorised functions of the coordinates: one file per source, one line each in MODELS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fpsolver.case import Case
from fpsolver.model.analytic import AnalyticModel, known_potential
from fpsolver.model.coefficients import Array, Coefficients, Model, Potential
from fpsolver.model.momentum import MomentumModel
from fpsolver.model.python_model import PythonModel
from fpsolver.model.samples import SampleModel
from fpsolver.model.second_order import CurvedModel, SecondOrderModel

__all__ = ["MODELS", "Array", "Coefficients", "Model", "Potential", "build", "remarks"]

MODELS: dict[str, Callable[[Case], CurvedModel]] = {
    "none": AnalyticModel,  # [drift] alone: f = 0
    "expression": AnalyticModel,
    "per_sample": SampleModel,
    "table": AnalyticModel,  # a spline is a formula
    "python": PythonModel,
}
"""The kind of the loss -> the model that is built from the case."""


def build(case: Case) -> Model:
    """The model of a case.

    Args:
        case: a loaded case.

    Raises:
        BadUsage: loss and noise do not go together; the message says what to write.
    """
    if case.momentum is not None:
        return MomentumModel(case, build)
    model = MODELS["none" if case.loss is None else case.loss.kind](case)
    if case.noise.order == 1 or case.noise.learning_rate is None:
        return model
    return SecondOrderModel(model, case.noise.learning_rate, known_potential(case))


def remarks(model: Model) -> Sequence[str]:
    """What a user should know about where the coefficients of a model come from."""
    inner = model.positions if isinstance(model, MomentumModel) else model
    inner = inner.first_order if isinstance(inner, SecondOrderModel) else inner
    return inner.remarks if isinstance(inner, PythonModel) else ()
