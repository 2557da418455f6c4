"""A user's class tried at random points before a run: its derivatives against differences, its covariance for signs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpsolver.case.sampling import random_points
from fpsolver.case.sections import Domain
from fpsolver.case.wording import named
from fpsolver.model.coefficients import Array
from fpsolver.model.derivatives import slopes
from fpsolver.model.user_class import UserClass

POINTS = 100

ALIKE = 1e-5
"""Derivatives that differ by less than this fraction of their largest size are the same."""

KINKS = 0.05
"""Share of the points at which a derivative may differ: differences across a kink mean nothing."""

SAME = 1e-9
"""The same for values that ought to be equal, and for symmetry and signs of a covariance."""


def try_out(user: UserClass, domain: Domain, *, with_covariance: bool) -> None:
    """Refuse a class whose functions contradict each other.

    Args:
        user: The functions.
        domain: Where they are tried.
        with_covariance: The run takes the covariance from the class.

    Raises:
        UserCodeFailed: With a point, and both numbers there.
    """
    trial = _Trial(user, domain)
    trial.each_point_for_itself()
    trial.same("the gradient", user.gradient, user.loss, ())
    if user.has("hessian"):
        trial.same("the Hessian", user.hessian, user.gradient, (domain.dimension,))
    if with_covariance:
        user.need_covariance()
        trial.semidefinite()
        if user.has("covariance_divergence"):
            trial.divergence()


class _Trial:
    def __init__(self, user: UserClass, domain: Domain) -> None:
        self._user = user
        self._names: Sequence[str] = domain.coordinates
        self._box = domain.lower, domain.upper
        self._points = random_points(domain, POINTS)

    def each_point_for_itself(self) -> None:
        """The loss at a point does not depend on which others it is asked for with, nor on chance."""
        there = self._user.loss(self._points)
        self._finite("the loss", there)
        again = self._user.loss(self._points[1::2])
        there = there[1::2]
        apart = np.abs(there - again)
        worst = int(apart.argmax())
        if apart[worst] > SAME * float(np.abs(there).max()):
            where = named(self._names, self._points[1::2][worst])
            raise self._user.wrong(
                f"loss(points) is {there[worst]:.9g} at {where}, and {again[worst]:.9g} there among fewer points; "
                "it has to treat each row of points for itself"
            )

    def same(self, what: str, derivative: object, function: object, shape: tuple[int, ...]) -> None:
        """A derivative is that of its function."""
        assert callable(derivative)
        assert callable(function)
        count = int(np.prod(shape, dtype=int))
        found = derivative(self._points)
        self._finite(what, found)

        def flat(at: Array) -> Array:
            return np.asarray(function(at)).reshape(len(at), count)

        differences = slopes(flat, self._points, *self._box)[1].reshape(found.shape)
        self._compare(what, found, differences)

    def semidefinite(self) -> None:
        """The covariance is one."""
        found = self._user.covariance(self._points)
        self._finite("the covariance", found)
        size = float(np.abs(found).max())
        uneven = np.abs(found - found.swapaxes(1, 2)).max(axis=(1, 2))
        worst = int(uneven.argmax())
        if uneven[worst] > SAME * size:
            where = named(self._names, self._points[worst])
            raise self._user.wrong(f"covariance(points) is not symmetric at {where}: {found[worst].tolist()}")
        least = np.linalg.eigvalsh(found)[:, 0]
        worst = int(least.argmin())
        if least[worst] < -SAME * size:
            where = named(self._names, self._points[worst])
            raise self._user.wrong(f"covariance(points) has a negative eigenvalue, {least[worst]:.4g}, at {where}")

    def divergence(self) -> None:
        """The divergence is that of the covariance."""
        found = self._user.covariance_divergence(self._points)
        self._finite("the divergence of the covariance", found)
        self._compare("the divergence of the covariance", found, self._user.divergence_by_differences(self._points))

    def _finite(self, what: str, found: Array) -> None:
        bad = ~np.isfinite(found.reshape(len(found), -1)).all(axis=1)
        if bad.any():
            where = named(self._names, self._points[int(bad.argmax())])
            raise self._user.wrong(f"{what} is not finite at {where}")

    def _compare(self, what: str, found: Array, differences: Array) -> None:
        apart = np.abs(found - differences).reshape(len(found), -1)
        size = float(np.abs(differences).max())
        wrong = apart.max(axis=1) > ALIKE * size
        if wrong.mean() <= KINKS:
            return
        row, entry = divmod(int(apart.argmax()), apart.shape[1])
        given, seen = (array.reshape(apart.shape)[row, entry] for array in (found, differences))
        index = ",".join(str(i + 1) for i in np.unravel_index(entry, found.shape[1:]))
        raise self._user.wrong(
            f"{what} is wrong at {int(wrong.sum())} of {len(wrong)} points: at {named(self._names, self._points[row])} "
            f"its entry {index} is {given:.9g}, and differences give {seen:.9g}"
        )
