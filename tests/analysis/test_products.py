"""Products on one thread: within, afterwards, and with two inside at once."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import ThreadpoolController

from workbench.analysis.products import on_one_thread


def blas_threads() -> list[int]:
    return [
        library["num_threads"]
        for library in ThreadpoolController().info()
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]


@pytest.fixture(autouse=True)
def two_threads() -> object:
    """Two threads, also where the tests are held to one."""
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        yield


def test_one_thread_within_and_as_before_afterwards() -> None:
    before = blas_threads()
    within = on_one_thread(blas_threads)
    assert set(before) == {2}
    assert set(on_one_thread(within)()) == {1}, "also where one calls another"
    assert blas_threads() == before


def test_a_fault_within_leaves_it_as_before() -> None:
    @on_one_thread
    def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert set(blas_threads()) == {2}


def test_two_at_once_leave_it_as_before() -> None:
    entered, leave = threading.Event(), threading.Event()

    @on_one_thread
    def long() -> None:
        entered.set()
        assert leave.wait(10)

    @on_one_thread
    def first() -> None:
        other.start()
        assert entered.wait(10)

    other = threading.Thread(target=long)
    first()
    leave.set()
    other.join()
    assert set(blas_threads()) == {2}
