"""Batches cut out of a tensor are those of a loop over single examples."""

import pytest
import torch

from sightline.core.schema import Schema
from sightline.data import Batch, Split, TensorSplit

N = 23


def images(kind: str = "channel") -> TensorSplit:
    pixels = torch.randint(0, 256, (N, 3, 4, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mean, std = ((0.1, 0.5, 0.9), (0.2, 0.3, 0.4))
    if kind == "position":
        mean, std = tuple(torch.linspace(0, 1, 60).tolist()), tuple(torch.linspace(0.1, 1, 60).tolist())
    schema = Schema(
        "image", "classification", (3, 4, 5), classes=("a", "b"), standardise=kind, image_mean=mean, image_std=std
    )
    return TensorSplit("train", pixels, torch.arange(N) % 2, schema)


def table() -> TensorSplit:
    return TensorSplit(
        "train", torch.randn(N, 4), torch.randn(N), Schema("table", "regression", (4,), standardise="none")
    )


def by_hand(split: TensorSplit, indices: list[int]) -> torch.Tensor:
    """Each example alone, each pixel by the formula."""
    examples = []
    for i in indices:
        x = split.inputs[i]
        if x.dtype == torch.uint8:
            shape = (3, 4, 5) if split.schema.standardise == "position" else (3, 1, 1)
            mean = torch.tensor(split.schema.image_mean).reshape(shape)
            std = torch.tensor(split.schema.image_std).reshape(shape)
            x = (x.float() / 255 - mean) / std
        examples.append(x)
    return torch.stack(examples)


SPLITS = {"channel": images(), "position": images("position"), "table": table()}


@pytest.mark.parametrize("which", SPLITS)
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, N, 100])
def test_batches_are_the_loop_s(which: str, shuffled: bool, batch_size: int) -> None:
    split = SPLITS[which]
    order = torch.randperm(N) if shuffled else None
    wanted = (order if order is not None else torch.arange(N)).tolist()
    batches = list(split.batches(batch_size=batch_size, order=order))
    assert len(batches) == split.num_batches(batch_size) == -(-N // batch_size)
    for number, batch in enumerate(batches):
        rows = wanted[number * batch_size : (number + 1) * batch_size]
        assert batch.indices.tolist() == rows
        assert batch.global_size == len(batch) == len(rows)
        assert torch.equal(batch.target, split.target[rows])
        torch.testing.assert_close(batch.inputs, by_hand(split, rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_partition_each_batch(world: int) -> None:
    order = torch.randperm(N)
    split = SPLITS["channel"]
    whole = list(split.batches(batch_size=7, order=order))
    parts = [list(split.batches(batch_size=7, order=order, rank=r, world=world)) for r in range(world)]
    assert {len(p) for p in parts} == {len(whole)} == {4}
    for batch, *shares in zip(whole, *parts, strict=True):
        for rank, share in enumerate(shares):
            assert torch.equal(share.indices, batch.indices[rank::world])
            assert torch.equal(share.inputs, batch.inputs[rank::world])
            assert share.global_size == len(batch)


def same(a: Batch, b: Batch) -> bool:
    return torch.equal(a.inputs, b.inputs) and torch.equal(a.indices, b.indices)


@pytest.mark.parametrize("start", [0, 2, 4, 9])
def test_start_skips(start: int) -> None:
    order = torch.randperm(N)
    split = SPLITS["channel"]
    whole = list(split.batches(batch_size=5, order=order))[start:]
    rest = list(split.batches(batch_size=5, order=order, start=start))
    assert len(rest) == max(0, 5 - start)
    assert all(same(a, b) for a, b in zip(whole, rest, strict=True))


@pytest.mark.parametrize(("batch_size", "smallest", "sizes"), [(5, 3, [5] * 4 + [3]), (5, 4, [5] * 4), (50, 40, [N])])
def test_a_short_last_batch_is_left_out_unless_it_is_the_only_one(
    batch_size: int, smallest: int, sizes: list[int]
) -> None:
    split = SPLITS["table"]
    found = [len(b) for b in split.batches(batch_size=batch_size, smallest=smallest)]
    assert found == sizes
    assert split.num_batches(batch_size, smallest) == len(sizes)


def test_order_may_hold_some_rows_or_rows_twice() -> None:
    batches = list(SPLITS["channel"].batches(batch_size=2, order=torch.tensor([3, 3, 1])))
    assert [b.indices.tolist() for b in batches] == [[3, 3], [1]]


def test_batches_do_not_share_memory_with_the_images() -> None:
    split = images()
    before = split.inputs.clone()
    next(split.batches(batch_size=4)).inputs.zero_()
    assert torch.equal(split.inputs, before)


@pytest.mark.parametrize("order", [None, torch.arange(N)])
def test_a_model_that_works_in_place_leaves_a_table_as_it_is(order: torch.Tensor | None) -> None:
    split = table()
    inputs, target = split.inputs.clone(), split.target.clone()
    batch = next(split.batches(batch_size=4, order=order))
    torch.nn.functional.relu_(batch.inputs)
    batch.target.zero_()
    assert torch.equal(split.inputs, inputs)
    assert torch.equal(split.target, target)


def test_picture_is_the_image_before_standardisation() -> None:
    split = images()
    picture = split.picture(2)
    assert picture is not None
    assert (picture.mode, picture.size) == ("RGB", (5, 4))
    assert picture.getpixel((1, 3)) == tuple(split.inputs[2, :, 3, 1].tolist())
    assert split.row(2) is None
    assert table().picture(0) is None


def test_it_is_a_split() -> None:
    assert isinstance(images(), Split)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_batches_are_the_same() -> None:
    order = torch.randperm(N)
    pairs = zip(
        images().batches(batch_size=5, order=order),
        images().batches(batch_size=5, order=order, device="cuda"),
        strict=True,
    )
    for cpu, gpu in pairs:
        assert gpu.inputs.is_cuda
        assert gpu.target.is_cuda
        torch.testing.assert_close(cpu.inputs, gpu.inputs.cpu())
