"""Whatever the sizes: blocks cover a text once, the target is the input shifted, ranks and restarts agree."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.schema import IGNORED
from sightline.core.seeds import permutation
from sightline.data.batch import Batch
from sightline.data.document_split import ClassSplit, NextTokenSplit, Ragged, SequenceSplit, TokenClassSplit
from sightline.data.documents import aligned_lines, cut_characters, lines_of, paragraphs_of, split_documents
from sightline.data.duplicates import fingerprint
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.text_spec import Order
from sightline.data.token_array import TokenArray, stored
from sightline.data.token_split import BlockSplit

ORDERS: tuple[Order, ...] = ("order", "random")
MANY = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def streams(draw: st.DrawFn) -> BlockSplit:
    length = draw(st.integers(2, 9))
    count = draw(st.integers(length + 1, 120))
    return BlockSplit("train", TokenArray(np.arange(count, dtype=np.uint16)), length, moved=draw(st.booleans()))


@st.composite
def ragged(draw: st.DrawFn, shortest: int = 0) -> Ragged:
    lengths = draw(st.lists(st.integers(shortest, 7), min_size=1, max_size=12))
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return Ragged(TokenArray(np.arange(starts[-1], dtype=np.uint16) + 3), TokenArray(starts))


@MANY
@given(streams(), st.integers(0, 99))
def test_every_token_is_in_one_block_but_the_ends(split: BlockSplit, seed: int) -> None:
    order = permutation(len(split), seed)
    [batch] = split.batches(batch_size=len(split), order=order)
    seen = batch.inputs.flatten().sort().values
    first = int(seen[0])
    assert seen.tolist() == list(range(first, first + len(split) * split.length))
    assert split.moved or first == 0
    left = len(split.tokens) - len(seen)
    assert left >= 1  # the last token is a target and no input
    assert first == split.phase(order) <= len(split.tokens) - 1 - len(split) * split.length
    assert left < (2 * split.length if split.moved else split.length + 1) or len(split) == 1
    assert torch.equal(batch.target, batch.inputs + 1)
    assert torch.equal(batch.indices, order)
    assert batch.inputs.shape == (len(split), split.length)
    assert (batch.inputs.dtype, batch.target.dtype, batch.present) == (torch.int64, torch.int64, None)


@MANY
@given(streams())
def test_without_an_order_the_grid_stays(split: BlockSplit) -> None:
    [batch] = split.batches(batch_size=len(split))
    assert batch.inputs.flatten().tolist() == list(range(len(split) * split.length))


def test_over_the_epochs_every_place_begins_a_block() -> None:
    split = BlockSplit("train", TokenArray(np.arange(53, dtype=np.uint16)), 5, moved=True)
    begins: set[int] = set()
    for epoch in range(300):
        [batch] = split.batches(batch_size=len(split), order=permutation(len(split), epoch))
        begins |= set(batch.inputs[:, 0].tolist())
    assert begins == set(range(53 - 5))


def test_a_grid_depends_on_more_than_the_first_row_of_an_order() -> None:
    split = BlockSplit("train", TokenArray(np.arange(2000, dtype=np.uint16)), 64, moved=True)
    tail = torch.arange(2, len(split))
    orders = [torch.cat((torch.tensor(head), tail)) for head in ([0, 1], [1, 0])]
    assert split.phase(orders[0]) != split.phase(orders[1])
    last = orders[0].clone()
    last[-2:] = last[-2:].flip(0)
    assert split.phase(last) == split.phase(orders[0])


def same(a: Batch, b: Batch) -> bool:
    return torch.equal(a.inputs, b.inputs) and torch.equal(a.target, b.target) and torch.equal(a.indices, b.indices)


@MANY
@given(streams(), st.integers(1, 9), st.integers(0, 6), st.integers(2, 3), st.integers(0, 99))
def test_ranks_and_restarts_give_the_same_examples(
    split: BlockSplit, batch_size: int, start: int, world: int, seed: int
) -> None:
    order = permutation(len(split), seed)
    whole = list(split.batches(batch_size=batch_size, order=order))
    rest = list(split.batches(batch_size=batch_size, order=order, start=start))
    assert len(rest) == max(0, len(whole) - start)
    assert all(same(a, b) for a, b in zip(whole[start:], rest, strict=True))
    parts = [list(split.batches(batch_size=batch_size, order=order, rank=r, world=world)) for r in range(world)]
    for batch, *shares in zip(whole, *parts, strict=True):
        for rank, share in enumerate(shares):
            assert torch.equal(share.inputs, batch.inputs[rank::world])
            assert torch.equal(share.target, batch.target[rank::world])
            assert share.global_size == len(batch)


@MANY
@given(ragged(shortest=2), st.integers(1, 5), st.integers(0, 99))
def test_next_token_of_documents(rows: Ragged, batch_size: int, seed: int) -> None:
    split = NextTokenSplit("train", None, rows, pad=1)
    for batch in split.batches(batch_size=batch_size, order=permutation(len(rows), seed)):
        longest = 0
        for place, row in enumerate(batch.indices.tolist()):
            tokens = rows[row].tolist()
            filling = batch.inputs.shape[1] - (len(tokens) - 1)
            assert batch.inputs[place].tolist() == tokens[:-1] + [1] * filling
            assert batch.target[place].tolist() == tokens[1:] + [IGNORED] * filling
            if batch.present is None:
                assert filling == 0
            else:
                assert batch.present[place].tolist() == [True] * (len(tokens) - 1) + [False] * filling
            longest = max(longest, len(tokens) - 1)
        assert batch.inputs.shape[1] == longest


@MANY
@given(ragged(), ragged(), st.integers(1, 5), st.integers(0, 99))
def test_documents_with_classes_labels_and_other_texts(
    rows: Ragged, others: Ragged, batch_size: int, seed: int
) -> None:
    count = min(len(rows), len(others))
    target = torch.arange(len(rows)) % 3
    splits: list[Split] = [
        ClassSplit("train", target, rows, pad=1),
        TokenClassSplit("train", rows, Ragged(TokenArray(-rows.values.values.astype(np.int32)), rows.starts), pad=1),
    ]
    if len(rows) == len(others):
        splits.append(SequenceSplit("train", rows, others, pad=1))
    for split in splits:
        for batch in split.batches(batch_size=batch_size, order=permutation(count, seed)):
            for place, row in enumerate(batch.indices.tolist()):
                tokens = rows[row].tolist()
                filling = batch.inputs.shape[1] - len(tokens)
                assert batch.inputs[place].tolist() == tokens + [1] * filling
                if batch.present is not None:
                    assert int(batch.present[place].sum()) == len(tokens)
                if isinstance(split, ClassSplit):
                    assert batch.target[place] == row % 3
                elif isinstance(split, TokenClassSplit):
                    assert batch.target[place].tolist() == [-t for t in tokens] + [IGNORED] * filling
                else:
                    other = others[row].tolist()
                    assert batch.target[place].tolist() == other + [IGNORED] * (batch.target.shape[1] - len(other))


@MANY
@given(
    st.integers(3, 400), st.floats(0.01, 0.9), st.floats(0, 0.9), st.sampled_from(["order", "random"]), st.booleans()
)
def test_documents_are_divided_once(count: int, validation: float, test: float, order: Order, classes: bool) -> None:
    spec = DataSpec(source="x", validation_fraction=validation, test_fraction=test)
    labels = torch.arange(count) % 2 if classes else None
    rows = split_documents(count, spec, labels=labels, order=order)
    every = torch.cat((rows.train, rows.validation, rows.test))
    assert every.sort().values.tolist() == list(range(count))
    if not classes:
        assert len(rows.test) == (min(max(round(test * count), 1), count - 1) if test > 0 else 0)
        if order == "order":
            assert every.tolist() == list(range(count))


@MANY
@given(st.text(max_size=60), st.floats(0.01, 0.9), st.floats(0, 0.9))
def test_a_text_is_cut_in_order(text: str, validation: float, test: float) -> None:
    spec = DataSpec(source="x", validation_fraction=validation, test_fraction=test)
    parts = cut_characters(text, spec, ("validation", "test"))
    assert parts["train"] + parts["validation"] + parts["test"] == text
    assert len(parts["test"]) == len(text) - int(len(text) * (1 - test) + 1e-6)
    assert cut_characters(text, spec, ()) == {"train": text, "validation": "", "test": ""}


@MANY
@given(st.text(alphabet="ab \n\r\t\u2028\x0b", max_size=40))
def test_documents_hold_all_that_is_no_space(text: str) -> None:
    letters = "".join(text.split())
    assert "".join("".join(lines_of(text)).split()) == letters
    assert "".join("".join(paragraphs_of(text)).split()) == letters
    assert all(part.strip() for part in (*lines_of(text), *paragraphs_of(text)))
    assert all("\n" not in line for line in aligned_lines(text))
    assert len(aligned_lines(text)) == text.count("\n") + (not text.endswith("\n") and text != "")


@MANY
@given(st.lists(st.lists(st.integers(0, 2**16 - 1), max_size=5), max_size=6))
def test_what_is_kept_is_what_was_written(pieces: list[list[int]]) -> None:
    made = []

    def make(writer):  # type: ignore[no-untyped-def]
        made.append(1)
        for piece in pieces:
            writer.append("a", np.array(piece, np.uint16))
        return {"pieces": len(pieces)}

    key = fingerprint(repr(pieces).encode())
    flat = [number for piece in pieces for number in piece]
    first, again, apart = stored(key, make), stored(key, make), stored(None, make)
    for found in (first, again, apart):
        assert found.facts == {"pieces": len(pieces)}
        assert not found.note
        if pieces:
            assert found["a"].tolist() == flat
            assert found["a"].dtype == np.uint16
    assert len(made) <= 2
