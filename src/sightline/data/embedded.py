"""Small data sets that come with scikit-learn: nothing is downloaded, the test split never changes.

scikit-learn is imported when one of them is asked for: it takes as long as everything else here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from sightline.core.registry import Registry
from sightline.data.decode_set import Decoded
from sightline.data.duplicates import row_hashes
from sightline.data.source import ImageSource, Source, TableSource
from sightline.data.splits import hold_out

TEST_FRACTION = 0.2
TEST_SEED = 0

DATASETS: Registry[Callable[[], Source]] = Registry("data set")


@DATASETS.register("digits")
def digits() -> ImageSource:
    """1,797 hand-written digits, 8 × 8 grey, 10 classes.

    Source: UCI "Optical Recognition of Handwritten Digits", through scikit-learn. Its levels 0 to 16
    become 0 to 240.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = torch.from_numpy((bunch.images * 15).astype(np.uint8))[:, None]
    return ImageSource(
        what="digits (scikit-learn)",
        images=Decoded(pixels, row_hashes(pixels.numpy()), sizes="8 × 8"),
        target="digit",
        labels=pa.chunked_array([pa.array(bunch.target)]),
        classes=[str(d) for d in range(10)],
        given=_given(torch.from_numpy(bunch.target.astype(np.int64)), len(pixels)),
    )


@DATASETS.register("iris")
def iris() -> TableSource:
    """150 iris flowers, 4 lengths, 3 species.

    Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936.
    """
    from sklearn.datasets import load_iris

    return _table(load_iris(), "iris", "species")


@DATASETS.register("wine")
def wine() -> TableSource:
    """178 wines, 13 chemical measurements, 3 cultivars.

    Source: UCI "Wine", through scikit-learn.
    """
    from sklearn.datasets import load_wine

    return _table(load_wine(), "wine", "cultivar")


@DATASETS.register("breast_cancer")
def breast_cancer() -> TableSource:
    """569 tumours, 30 measurements of cell nuclei, malignant or benign.

    Source: UCI "Breast Cancer Wisconsin (Diagnostic)", through scikit-learn.
    """
    from sklearn.datasets import load_breast_cancer

    return _table(load_breast_cancer(), "breast_cancer", "diagnosis")


@DATASETS.register("diabetes")
def diabetes() -> TableSource:
    """442 patients, 10 measurements, a number for the disease's progression after a year.

    Source: B. Efron et al., "Least Angle Regression", 2004.
    """
    from sklearn.datasets import load_diabetes

    return _table(load_diabetes(), "diabetes", "progression")


def _table(bunch: Any, name: str, target: str) -> TableSource:
    columns = {str(c): bunch.data[:, i] for i, c in enumerate(bunch.feature_names)}
    classes = [str(c) for c in getattr(bunch, "target_names", [])]
    values = [classes[i] for i in bunch.target] if classes else bunch.target
    labels = torch.from_numpy(bunch.target.astype(np.int64)) if classes else None
    table = pa.table({**columns, target: values})
    return TableSource(f"{name} (scikit-learn)", table, target, classes or None, _given(labels, len(table)))


def _given(labels: Tensor | None, count: int) -> list[str]:
    """The test split, the same whatever is asked for."""
    names = ["train"] * count
    for row in hold_out(labels, count, TEST_FRACTION, TEST_SEED)[1].tolist():
        names[row] = "test"
    return names
