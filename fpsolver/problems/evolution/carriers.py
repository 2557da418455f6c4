"""What carries a density through time, and how its states are read: with a closed boundary, or with an open one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.affine import AffineGenerator
from fpsolver.generator.collecting import Collecting, Counted
from fpsolver.generator.generator import Generator
from fpsolver.generator.inverse import inverse
from fpsolver.generator.open_boundary import OpenBoundary
from fpsolver.propagation import PROPAGATORS, Factors, Settings, State, sdirk_varying

Array = npt.NDArray[np.float64]


class Carrier(Protocol):
    """Carries a density through a leg. Its states may hold more than the density. All methods are collective."""

    @property
    def generator(self) -> Generator:
        """What the density refers to."""
        ...

    def states(self, start: PETSc.Vec, times: Sequence[float], settings: Settings, now: float) -> Iterator[State]:
        """The states from now through the times."""
        ...

    def loaded(self, functional: PETSc.Vec, counted: Counted | None, settings: Settings) -> PETSc.Vec:
        """The state whose density is given as a functional, after what has passed through the boundary before."""
        ...

    def density(self, state: PETSc.Vec) -> PETSc.Vec:
        """h alone."""
        ...

    def counted(self, state: PETSc.Vec) -> Counted | None:
        """What has passed through the boundary; None where it is closed."""
        ...

    def further(self, state: PETSc.Vec) -> Array:
        """What a state holds beside h, the same on all ranks."""
        ...

    def restored(self, h: PETSc.Vec, further: Array) -> PETSc.Vec:
        """The state with this h and all else."""
        ...


class Closed(ABC):
    """How states are read where nothing passes through the boundary: they are the density."""

    @property
    @abstractmethod
    def generator(self) -> Generator:
        """What the density refers to."""

    def loaded(self, functional: PETSc.Vec, counted: Counted | None, settings: Settings) -> PETSc.Vec:
        """h with M h = functional."""
        mass = inverse(self.generator, self.generator.mass, "mass", settings.count, symmetric=True)
        vector = mass.solve(functional)
        mass.destroy()
        return vector

    def density(self, state: PETSc.Vec) -> PETSc.Vec:
        """The state itself."""
        return state

    def counted(self, state: PETSc.Vec) -> Counted | None:
        """Nothing."""
        return None

    def further(self, state: PETSc.Vec) -> Array:
        """Nothing."""
        return np.zeros(0)

    def restored(self, h: PETSc.Vec, further: Array) -> PETSc.Vec:
        """The density itself."""
        return h


@dataclass(frozen=True)
class Steady(Closed):
    """Constant coefficients."""

    pair: Generator
    method: str

    @property
    def generator(self) -> Generator:
        """The same."""
        return self.pair

    def states(self, start: PETSc.Vec, times: Sequence[float], settings: Settings, now: float) -> Iterator[State]:
        """By the method of the case."""
        return PROPAGATORS[self.method](self.pair, start, times, settings, now)


@dataclass(frozen=True)
class Varying(Closed):
    """Coefficients that depend on time."""

    affine: AffineGenerator
    factors: Factors

    @property
    def generator(self) -> Generator:
        """With both factors 1."""
        return self.affine.whole

    def states(self, start: PETSc.Vec, times: Sequence[float], settings: Settings, now: float) -> Iterator[State]:
        """By sdirk."""
        return sdirk_varying(self.affine, self.factors, start, times, settings, now)


@dataclass(frozen=True)
class Opened:
    """Constant coefficients and an open boundary: states hold what has passed through it, too."""

    boundary: OpenBoundary
    method: str
    settings: Settings

    @property
    def generator(self) -> Generator:
        """What the density refers to."""
        return self.boundary.generator

    @cached_property
    def collecting(self) -> Collecting:
        """Matrices and counters."""
        return Collecting(self.boundary, self.settings.count)

    def states(self, start: PETSc.Vec, times: Sequence[float], settings: Settings, now: float) -> Iterator[State]:
        """By the method of the case."""
        return PROPAGATORS[self.method](self.collecting.generator, start, times, settings, now)

    def loaded(self, functional: PETSc.Vec, counted: Counted | None, settings: Settings) -> PETSc.Vec:
        """h with M h = functional off the nodes where h = 0; what that has there is absorbed at once."""
        absorbed = np.zeros(len(self.boundary.closed)) if counted is None else counted.absorbed
        return self.collecting.loaded(functional, absorbed, 0.0 if counted is None else counted.entered)

    def density(self, state: PETSc.Vec) -> PETSc.Vec:
        """h alone."""
        return self.collecting.density(state)

    def counted(self, state: PETSc.Vec) -> Counted | None:
        """What has passed through the boundary."""
        return self.collecting.counted(state)

    def further(self, state: PETSc.Vec) -> Array:
        """The counters, and the source with its stock."""
        return self.collecting.further(state)

    def restored(self, h: PETSc.Vec, further: Array) -> PETSc.Vec:
        """Density and counters."""
        return self.collecting.restored(h, further)
