"""The weak forms, compiled once per dimension and degree whatever the case.

All coefficients are functions on quadrature elements that numpy fills, so that formula, data and user's code are one
path and no case ever waits for a compiler.
"""

from __future__ import annotations

from typing import Any

import basix.ufl
import numpy as np
import numpy.typing as npt
import ufl
from dolfinx import fem

from fpsolver.generator.quadrature import Quadrature

Array = npt.NDArray[np.float64]

FACET_PENALTY = 0.03
"""gamma of the facet term; 0.01 to 0.1 works for degrees from 2, at most 0.03 for degree 1."""

COMPILING = {"timeout": 60}
"""A second rank or process waits this long, in seconds, for the one that compiles."""


class Forms:
    """Bilinear forms of the generator on a Lagrange space, with the coefficients they read.

        mass        integral of w u v
        diffusion   integral of w D grad u . grad v
        transport   integral of w (D grad u . grad v + (c . grad u) v)
                    + sum over facets of tau [dn u] [dn v],   tau = gamma k^-3.5 h^2 w |c . n|

    The facet term keeps a mesh whose edges align with a singular D from decoupling into lines.
    """

    def __init__(self, space: fem.FunctionSpace, quadrature: Quadrature) -> None:
        domain = space.mesh
        dimension = domain.geometry.dim
        degree = space.element.basix_element.degree
        self._quadrature = quadrature
        self._weight = self._coefficient(())
        self._diffusion = self._coefficient((dimension, dimension))
        self._transport = self._coefficient((dimension,))
        # on facets: h^2 w and c, constant in each cell
        self._strength = fem.Function(fem.functionspace(domain, ("DG", 0)))
        self._direction = fem.Function(fem.functionspace(domain, ("DG", 0, (dimension,))))
        penalty = fem.Constant(domain, FACET_PENALTY / degree**3.5)

        u, v, n = ufl.TrialFunction(space), ufl.TestFunction(space), ufl.FacetNormal(domain)
        dx = ufl.dx(metadata={"quadrature_degree": quadrature.degree, "quadrature_rule": "default"})
        facets = ufl.dS(metadata={"quadrature_degree": 2 * degree})  # exact where cells are straight
        tau = penalty * ufl.avg(self._strength) * abs(ufl.dot(ufl.avg(self._direction), n("+")))
        diffusion = ufl.inner(self._diffusion * ufl.grad(u), ufl.grad(v)) * dx
        self._mass_form = self._weight * u * v * dx
        self._reversible_form = diffusion
        self._transport_form = (
            diffusion
            + ufl.inner(self._transport, ufl.grad(u)) * v * dx
            + tau * ufl.jump(ufl.grad(u), n) * ufl.jump(ufl.grad(v), n) * facets
        )

    def mass(self) -> fem.Form:
        """Compiled form of M."""
        return fem.form(self._mass_form, jit_options=COMPILING)

    def generator(self, *, reversible: bool) -> fem.Form:
        """Compiled form of K, without transport and facets where the weight absorbs the whole drift."""
        form = self._reversible_form if reversible else self._transport_form
        return fem.form(form, jit_options=COMPILING)

    def fill(self, weight: Array, diffusion: Array, transport: Array) -> None:
        """Give the coefficients their values at the quadrature points of all local cells.

        Args:
            weight: w, (cells, q).
            diffusion: D, (cells, q, d, d).
            transport: c, (cells, q, d).
        """
        self._set(self._weight, weight)
        self._set(self._diffusion, weight[:, :, None, None] * diffusion)
        self._set(self._transport, weight[:, :, None] * transport)
        share = self._quadrature.rule_weights / self._quadrature.rule_weights.sum()
        diameter = self._quadrature.cells.diameters
        self._set_cellwise(self._strength, (weight @ share) * diameter**2)
        self._set_cellwise(self._direction, np.einsum("cqd,q->cd", transport, share))

    def _coefficient(self, shape: tuple[int, ...]) -> fem.Function:
        space = self._quadrature.space
        element = basix.ufl.quadrature_element(
            space.mesh.basix_cell(), value_shape=shape, degree=self._quadrature.degree
        )
        return fem.Function(fem.functionspace(space.mesh, element))

    @staticmethod
    def _set(function: fem.Function, values: Array) -> None:
        dofmap = function.function_space.dofmap
        function.x.array.reshape(-1, dofmap.bs)[dofmap.list] = values.reshape(*values.shape[:2], dofmap.bs)

    @staticmethod
    def _set_cellwise(function: fem.Function, values: Array) -> None:
        dofmap: Any = function.function_space.dofmap
        function.x.array.reshape(-1, dofmap.bs)[dofmap.list[:, 0]] = values.reshape(len(values), dofmap.bs)
