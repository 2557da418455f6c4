"""Generators whose noise and drift change with time: two matrices for one weight, and their sum at any moment.

The weighted form is linear in D and in the drift, so with w fixed

    K(t) = noise(t) K_noise + drift(t) K_drift,

each part with the facet term of its own transport, c_noise = div D - D grad Psi and c_drift = grad f - extra (and
epsilon I on the side of the drift). The sum of both terms is no less than that of the whole by the triangle inequality.
Constants are in the kernel of either part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from dolfinx import fem, mesh
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from fpsolver.generator.forms import Forms
from fpsolver.generator.generator import Generator
from fpsolver.generator.quadrature import Quadrature, rule_degree
from fpsolver.generator.weight import Weight, grounded
from fpsolver.model import Model
from fpsolver.model.coefficients import Coefficients
from fpsolver.model.scaled import noise_and_drift

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AffineGenerator:
    """K in two parts.

    Attributes:
        whole: With both factors 1, for everything that does not depend on them: space, weight, mass, observables.
        noise: K_noise.
        drift: K_drift, of the same pattern.
    """

    whole: Generator
    noise: PETSc.Mat
    drift: PETSc.Mat

    def shifted(self, noise: float, drift: float) -> PETSc.Mat:
        """A new matrix M + noise K_noise + drift K_drift."""
        matrix = self.noise.copy()
        matrix.scale(noise)
        matrix.axpy(drift, self.drift, structure=PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        matrix.axpy(1.0, self.whole.mass, structure=PETSc.Mat.Structure.SUBSET_NONZERO_PATTERN)
        return matrix

    def transported(self, vector: PETSc.Vec, noise: float, drift: float) -> PETSc.Vec:
        """(noise K_noise + drift K_drift)^T h."""
        image, other = vector.duplicate(), vector.duplicate()
        self.noise.multTranspose(vector, image)
        self.drift.multTranspose(vector, other)
        image.scale(noise)
        image.axpy(drift, other)
        other.destroy()
        return image


def affine_generator(
    domain: mesh.Mesh, model: Model, degree: int, weight: Weight, regularization: float = 0.0
) -> AffineGenerator:
    """The weighted form in two parts.

    Args:
        domain: Mesh with ghost cells across shared facets.
        model: Noise and drift where both factors are 1.
        degree: Polynomial degree, from 1.
        weight: Its floor is moved to the minimum over the quadrature points.
        regularization: epsilon, the part of D that belongs to the drift.
    """
    space = fem.functionspace(domain, ("Lagrange", degree))
    quadrature = Quadrature(space, rule_degree(domain.topology.dim, degree))
    points = quadrature.points.reshape(-1, quadrature.points.shape[2])
    weight = grounded(weight, points, domain.comm)
    exponent, slope = weight(points)
    forms = Forms(space, quadrature)
    noise, drift = (
        _stiffness(forms, quadrature, np.exp(-exponent), slope, part)
        for part in noise_and_drift(model(points), regularization)
    )
    mass = fem_petsc.assemble_matrix(forms.mass())
    mass.assemble()
    both = noise.copy()
    both.axpy(1.0, drift, structure=PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
    whole = Generator(space, both, mass, weight, quadrature, model, reversible=False)
    return AffineGenerator(whole, noise, drift)


def _stiffness(forms: Forms, quadrature: Quadrature, weight: Array, slope: Array, part: Coefficients) -> PETSc.Mat:
    """K of some of the coefficients, with w and grad Psi at the points."""
    shape = quadrature.points.shape
    transport = part.advection - np.einsum("nij,nj->ni", part.diffusion, slope)
    forms.fill(
        weight.reshape(shape[:2]),
        part.diffusion.reshape(*shape[:2], shape[2], shape[2]),
        transport.reshape(shape),
    )
    matrix = fem_petsc.assemble_matrix(forms.generator(reversible=False))
    matrix.assemble()
    return matrix
