"""The model of a case with a class of the user's: ``loss.python``."""

from __future__ import annotations

import numpy as np

from fpsolver.case import Case
from fpsolver.errors import BadUsage
from fpsolver.model.analytic import ExtraDrift, diffusion_matrix, diffusion_rate, gibbs_potential, known_potential
from fpsolver.model.coefficients import Array, Coefficients
from fpsolver.model.trial import try_out
from fpsolver.model.user_class import UserClass
from fpsolver.model.user_code import load_class


class PythonModel:
    """Loss from a user's class; diffusion from its covariance, or from formulas where the case gives them.

    Args:
        case: A case with loss.python. Its file is run here.

    Attributes:
        remarks: What a user should know about where the coefficients come from.

    Raises:
        UserCodeFailed: The class is not what it has to be, or raises an error; the message says where.
    """

    def __init__(self, case: Case) -> None:
        if case.loss is None or case.loss.python is None:
            raise BadUsage('loss.python: the case has none; write python = "model.py:Landscape"')
        source, domain = case.loss.python, case.domain
        self.dimension = case.dimension
        self._user = UserClass(load_class(source, case.parameters), source.file, domain.lower, domain.upper)
        of_class = case.noise.covariance == "python"
        try_out(self._user, domain, with_covariance=of_class)
        self.remarks = self._user.remarks if of_class else ()
        self._extra = ExtraDrift(case.drift, case.coordinates)
        self._matrix = None if of_class else diffusion_matrix(case)
        self._rate = diffusion_rate(case) if of_class else 0.0
        self._regularization = case.noise.regularization
        self.gradient_drift = self._extra.is_zero
        self.constant_scalar_diffusion = None if self._matrix is None else self._matrix.constant_scalar
        gibbs = gibbs_potential(self._both, self.constant_scalar_diffusion) if self.gradient_drift else None
        self.potential = known_potential(case) or gibbs

    def loss(self, points: Array) -> Array:
        """f at points (n, d), shape (n,)."""
        return self._user.loss(points)

    def hessian(self, points: Array) -> Array:
        """∇²f at points (n, d), shape (n, d, d)."""
        return self._user.hessian(points)

    def __call__(self, points: Array) -> Coefficients:
        """All coefficients at points (n, d)."""
        loss, gradient = self._both(points)
        extra = self._extra(points)
        if self._matrix is not None:
            return Coefficients(loss, gradient, extra, *self._matrix(points))
        covariance = self._user.covariance(points)
        symmetric = (covariance + covariance.swapaxes(1, 2)) / 2.0
        diffusion = self._rate * symmetric + self._regularization * np.eye(self.dimension)
        return Coefficients(loss, gradient, extra, diffusion, self._rate * self._user.covariance_divergence(points))

    def _both(self, points: Array) -> tuple[Array, Array]:
        return self._user.loss(points), self._user.gradient(points)
