"""Is the distance that of the formula, and does the line in 1/n take its bias away?"""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import AudioError
from workbench.learned.frechet import extrapolated_distance, frechet_distance

Matrix = npt.NDArray[np.float64]


def exact_sample(mean: Matrix, covariance: Matrix, *, count: int, seed: int) -> Matrix:
    """Rows whose own mean and covariance are exactly these."""
    drawn = np.random.default_rng(seed).standard_normal((count, len(mean)))
    drawn -= drawn.mean(axis=0)
    white = np.linalg.qr(drawn)[0] * np.sqrt(count - 1)
    return np.asarray(white @ np.linalg.cholesky(covariance).T + mean)


def covariance(dimensions: int, *, seed: int) -> Matrix:
    drawn = np.random.default_rng(seed).standard_normal((2 * dimensions, dimensions))
    return np.asarray(drawn.T @ drawn / dimensions)


def by_formula(means: tuple[Matrix, Matrix], covariances: tuple[Matrix, Matrix]) -> float:
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    shift = float(np.sum((means[0] - means[1]) ** 2))
    return shift + float(np.trace(covariances[0] + covariances[1] - 2 * np.real(root)))


@given(seed=st.integers(0, 10_000), dimensions=st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_distance_is_the_formulas_for_gaussians(seed: int, dimensions: int) -> None:
    means = (np.zeros(dimensions), np.random.default_rng(seed).standard_normal(dimensions))
    covariances = (covariance(dimensions, seed=seed), covariance(dimensions, seed=seed + 1))
    a, b = (
        exact_sample(mean, cov, count=count, seed=seed)
        for mean, cov, count in zip(means, covariances, (40, 60), strict=True)
    )
    found = frechet_distance([a], [b])
    assert found == pytest.approx(by_formula(means, covariances), rel=1e-7, abs=1e-9)
    assert frechet_distance([b], [a]) == pytest.approx(found, rel=1e-7, abs=1e-9)


def test_one_dimension_by_hand() -> None:
    a, b = np.array([[-1.0], [1.0], [0.0]]), np.array([[2.0], [6.0], [4.0]])
    assert frechet_distance([a], [b]) == pytest.approx(4.0**2 + (1 - 2) ** 2)


def test_fewer_embeddings_than_dimensions_are_no_trouble() -> None:
    # A shift of one set: the covariances are equal and singular, the distance is the shift's.
    a = np.random.default_rng(0).standard_normal((5, 40))
    shift = np.full(40, 0.5)
    assert frechet_distance([a], [a + shift]) == pytest.approx(10.0)


def test_a_set_is_at_distance_zero_from_itself_in_any_cut() -> None:
    a = np.random.default_rng(0).standard_normal((30, 4))
    assert frechet_distance([a], np.split(a, 3)) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance([a], [2 * a]) > 1


def clips_of(
    mean: float, *, clips: int, seed: int, deviation: float = 1.0, dimensions: int = 16
) -> list[Matrix]:
    drawn = np.random.default_rng(seed).standard_normal((clips, 4, dimensions))
    return list(mean + deviation * drawn)


def test_the_line_takes_the_bias_away() -> None:
    truth = 16 * (0.1**2 + 0.2**2)
    plain, extrapolated = [], []
    for seed in range(12):
        a = clips_of(0.0, clips=32, seed=2 * seed)
        b = clips_of(0.1, clips=24, seed=2 * seed + 1, deviation=1.2)
        plain.append(frechet_distance(a, b) - truth)
        extrapolated.append(extrapolated_distance(a, b) - truth)
    assert np.mean(plain) > 0.5 * truth
    assert abs(np.mean(extrapolated)) < np.mean(plain) / 6


def test_two_sets_of_one_kind_are_about_zero_apart() -> None:
    a, b = clips_of(0.0, clips=40, seed=0), clips_of(0.0, clips=40, seed=1)
    assert frechet_distance(a, b) > 0.8
    assert abs(extrapolated_distance(a, b)) < 0.5


def test_extrapolation_repeats_itself() -> None:
    a, b = clips_of(0.0, clips=20, seed=0), clips_of(1.0, clips=20, seed=1)
    assert extrapolated_distance(a, b) == extrapolated_distance(a, b)


def test_sets_too_small_to_extrapolate_say_so() -> None:
    enough, few = clips_of(0.0, clips=20, seed=0), clips_of(0.0, clips=19, seed=1)
    with pytest.raises(AudioError, match="19 clips; extrapolating needs at least 20"):
        extrapolated_distance(enough, few)
    thin = clips_of(0.0, clips=20, seed=0, dimensions=21)
    with pytest.raises(AudioError, match=r"80 embeddings of 21 dimensions.* at least 84"):
        extrapolated_distance(thin, thin)


def test_sets_without_a_covariance_or_of_two_networks_are_refused() -> None:
    with pytest.raises(AudioError, match="fewer than two embeddings"):
        frechet_distance([np.zeros((1, 3))], [np.zeros((4, 3))])
    with pytest.raises(AudioError, match="fewer than two embeddings"):
        frechet_distance([np.zeros((4, 3))], [])
    with pytest.raises(AudioError, match="different networks"):
        frechet_distance([np.zeros((4, 3))], [np.zeros((4, 2))])
