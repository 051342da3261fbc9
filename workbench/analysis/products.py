"""How the loudness and peak measures multiply many rows by one small matrix.

References: none; the measurements behind the numbers stand beside them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]
DoubleArray: TypeAlias = npt.NDArray[np.float64]

# So few rows that OpenBLAS does not split a product of 64 columns among threads. Splitting doubled
# the processor time here, and on a busy machine threads waiting for each other took 20 times as
# long; larger products are no faster on one thread.
ROWS_PER_PRODUCT = 24


def multiply_rows(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """`rows @ matrix` in many small products, on the calling thread alone.

    Parameters
    ----------
    rows : np.ndarray, float32, shape (n, m)
        Any number of rows.
    matrix : np.ndarray, float32, shape (m, k)
        Some hundred entries a side at most.

    Returns
    -------
    np.ndarray, float32, shape (n, k)
        The product.

    Examples
    --------
    >>> multiply_rows(np.ones((50, 3), np.float32), np.eye(3, dtype=np.float32)).shape
    (50, 3)
    """
    n, m = rows.shape
    whole = n // ROWS_PER_PRODUCT * ROWS_PER_PRODUCT
    batch = rows[:whole].reshape(-1, ROWS_PER_PRODUCT, m) @ matrix
    product: FloatArray = batch.reshape(whole, matrix.shape[1])
    if whole == n:
        return product
    return np.concatenate([product, rows[whole:] @ matrix])
