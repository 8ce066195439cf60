"""The generator of random programs, and a cache of compiled kernels that belongs to this run of the tests."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_program():
    """`random_program(seed, max_steps=400, numbers_seed=None)` of chain_programs.py."""
    spec = importlib.util.spec_from_file_location("chain_programs", Path(__file__).with_name("chain_programs.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.random_program


@pytest.fixture(scope="session", autouse=True)
def _own_kernel_cache(tmp_path_factory):
    """Kernels of tests are compiled into a folder of their own, so that nothing found is older than the code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VPP_SIM_CACHE", str(tmp_path_factory.mktemp("kernels")))
        yield
