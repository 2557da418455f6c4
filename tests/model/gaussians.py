"""Gaussian solutions of linear equations, exactly: the measurements that theorems on decay are held against."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from fpsolver.model import Array


def gaussian(b: Array, stationary: Array, mean: Array, covariance: Array, time: float) -> tuple[Array, Array]:
    """Mean and covariance after a time: dm = B m dt, dC = (BC + CBᵀ + 2D) dt, where BK + KBᵀ = -2D."""
    flow = expm(time * b)
    return flow @ mean, stationary + flow @ (covariance - stationary) @ flow.T


def entropy(mean: Array, covariance: Array, stationary: Array) -> float:
    """KL of N(m, C) to N(0, K)."""
    ratio = np.linalg.solve(stationary, covariance)
    far = mean @ np.linalg.solve(stationary, mean)
    return float(np.trace(ratio) - len(mean) - np.log(np.linalg.det(ratio)) + far) / 2.0


def information(metric: Array, mean: Array, covariance: Array, stationary: Array) -> float:
    """S = ∫ ρ ∇log h · P ∇log h, with ∇log h = (K⁻¹ - C⁻¹)(x - m) + K⁻¹ m."""
    inverse = np.linalg.inv(stationary)
    bend, slope = inverse - np.linalg.inv(covariance), inverse @ mean
    return float(np.trace(bend @ metric @ bend @ covariance) + slope @ metric @ slope)
