"""How the rulers multiply matrices: on the thread that asks, and on no other.

References: none; the measurements behind the choice stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

FloatArray: TypeAlias = npt.NDArray[np.float32]
DoubleArray: TypeAlias = npt.NDArray[np.float64]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def on_one_thread(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let the products within a function run on its own thread alone.

    BLAS splits even small products among threads, which then wait for the next one in a busy
    loop. Here that doubled the processor time, with nothing gained, and where two processes
    measured at once each took more than twice as long. The limit is the process's while it
    lasts; where two threads measure at once, it lasts until the first of them is done.

    Examples
    --------
    >>> @on_one_thread
    ... def total(left: DoubleArray, right: DoubleArray) -> float:
    ...     return float((left @ right).sum())
    >>> total(np.ones((3, 50)), np.eye(50))
    150.0
    """

    @wraps(function)
    def alone(*values: _P.args, **named: _P.kwargs) -> _T:
        with _blas().limit(limits=1):
            return function(*values, **named)

    return alone


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
