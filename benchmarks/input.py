"""An epoch of standardised MNIST batches: Sightline against a DataLoader over the same rows, in one run.

Usage: SIGHTLINE_DATA=<folder that holds mnist/*.parquet> python benchmarks/input.py
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sightline import load
from sightline.data import Data, Schema

BATCH = 128


class RowByRow(Dataset[tuple[torch.Tensor, int]]):
    """The rows of a ``datasets`` set, each decoded and standardised when it is asked for."""

    def __init__(self, rows: datasets.Dataset, schema: Schema) -> None:
        self.rows = rows
        self.mean, self.std = schema.image_mean[0], schema.image_std[0]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        row = self.rows[index]
        pixels = torch.from_numpy(np.array(row["image"]))[None].float() / 255
        return (pixels - self.mean) / self.std, row["label"]


def seconds(run: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> int:
    """Measure and print."""
    folder = os.environ.get("SIGHTLINE_DATA")
    if not folder:
        print("SIGHTLINE_DATA names no folder of data sets")
        return 2
    source = Path(folder) / "mnist"
    with tempfile.TemporaryDirectory() as aside:
        os.environ["SIGHTLINE_CACHE"] = aside
        loaded: list[Data] = []
        first = seconds(lambda: loaded.append(load(source)))
        cached = seconds(lambda: loaded.append(load(source)))
        train, schema = loaded[-1].train, loaded[-1].schema
        rows = datasets.load_dataset(
            "parquet", data_files=str(source / "train.parquet"), split="train", cache_dir=f"{aside}/datasets"
        )
        # all 60,000: the 54,000 of the training split, and the rest of them drawn again
        order = torch.cat([torch.randperm(len(train)), torch.randperm(len(train))])[: len(rows)]
        seen: list[int] = []

        def ours() -> None:
            seen.append(sum(len(batch) for batch in train.batches(batch_size=BATCH, order=order)))

        def theirs() -> None:
            loader = DataLoader(RowByRow(rows, schema), BATCH, shuffle=True, num_workers=2)
            seen.append(sum(len(target) for _, target in loader))

        ours()  # the first epoch also brings the tensor to the device
        fast = min(seconds(ours) for _ in range(3))
        slow = seconds(theirs)
        assert set(seen) == {60_000}, seen
    print(f"first load of 70,000 images   {first:8.2f} s   (wanted: under 15)")
    print(f"load from cache               {cached:8.2f} s   (wanted: under 2)")
    print(f"epoch of 60,000, Sightline    {fast:8.3f} s")
    print(f"epoch of 60,000, DataLoader   {slow:8.3f} s   (2 workers, batch {BATCH})")
    print(f"ratio                         {slow / fast:8.0f} ×   (wanted: at least 10)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
