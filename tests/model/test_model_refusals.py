"""Cases put together by hand, past the checks of the loader: loss and noise that do not go together are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fpsolver.errors import BadUsage
from fpsolver.model import build
from tests.model.kinds import BATCH, LOSS_2, SAMPLES_2, Write, table


def test_a_covariance_of_samples_needs_samples(write: Write) -> None:
    case = write(LOSS_2 + BATCH + "covariance = [['1', '0'], ['0', '1']]\n")
    with pytest.raises(BadUsage, match=r"write loss\.per_sample with \[data\], or a covariance"):
        build(replace(case, noise=replace(case.noise, covariance="samples")))


def test_a_mean_over_samples_needs_data(write: Write) -> None:
    case = write(SAMPLES_2 + BATCH + "covariance = 'samples'\n", 2, table())
    with pytest.raises(BadUsage, match=r"write loss\.per_sample and \[data\]"):
        build(replace(case, data=None))


@pytest.mark.parametrize("missing", ["learning_rate", "batch_size"])
def test_a_covariance_needs_step_and_batch(missing: str, write: Write) -> None:
    case = write(SAMPLES_2 + BATCH + "covariance = 'samples'\n", 2, table())
    with pytest.raises(BadUsage, match="write learning_rate and batch_size"):
        build(replace(case, noise=replace(case.noise, **{missing: None})))
