"""Each test on every path that this machine has to compute on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from inferencecloud.engine.kernels import available, use_path
from inferencecloud.engine.kernels.native import TORCH

COMPILED = [path for path in available().paths if path != TORCH]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other crawl where other tests run beside them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=available().paths)
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    before = available().path
    use_path(request.param)
    yield request.param
    use_path(before)


@pytest.fixture(params=COMPILED)
def compiled_path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return each path but torch's, for what holds of compiled kernels alone."""
    before = available().path
    use_path(request.param)
    yield request.param
    use_path(before)
