"""Documents as examples, each filled up to the longest of its batch, with what is to be predicted of it."""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.schema import IGNORED
from sightline.data.batch import Batch
from sightline.data.split import BatchRows, Epoch, Split
from sightline.data.token_array import TokenArray
from sightline.data.token_split import on
from sightline.data.tokenizer import Tokenizer

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Ragged:
    """Rows of unequal length, one after the other in a flat array.

    Shapes:
        values (all,); starts (rows + 1,): row i is values[starts[i] : starts[i + 1]]

    Args:
        values: the numbers.
        starts: where each row begins, and where the last one ends.

    Example:
        >>> rows = Ragged(TokenArray(np.arange(5)), TokenArray(np.array([0, 2, 5])))
        >>> rows.filled(np.array([1, 0]), -1)[0].tolist()
        [[2, 3, 4], [0, 1, -1]]
    """

    def __init__(self, values: TokenArray, starts: TokenArray) -> None:
        self.values, self.starts = values, starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> npt.NDArray[np.integer]:
        starts = self.starts.values
        return self.values.values[starts[row] : starts[row + 1]]

    def filled(self, rows: Numbers, fill: int) -> tuple[Numbers, Mask]:
        """Some rows side by side, filled up to the longest; and which places are theirs.

        Shapes:
            (rows, longest) int64, (rows, longest) bool
        """
        first = self.starts.values[rows]
        lengths = self.starts.values[rows + 1] - first
        places = np.arange(lengths.max(initial=0))
        real = places < lengths[:, None]
        cells = np.minimum(first[:, None] + places, max(len(self.values) - 1, 0))
        # widened first: unsigned tokens have no -100
        return np.where(real, self.values.values[cells].astype(np.int64), fill), real


class DocumentSplit(Split):
    """Documents of tokens, filled up on the right to the longest in the batch.

    Args:
        name: "train", "validation" or "test".
        target: (n,) class numbers; zeros where the target is of another shape.
        documents: the tokens of each, special ones and all.
        pad: the token that fills up.
        tokenizer: writes tokens as text again, for :meth:`row`; none: it gives no rows.

    Lecture: F2, W1
    """

    def __init__(
        self,
        name: str,
        target: Int[Tensor, " n"] | Float[Tensor, " n"] | None,
        documents: Ragged,
        *,
        pad: int = 0,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        nothing = torch.zeros((), dtype=torch.int64).expand(len(documents))  # takes no memory
        super().__init__(name, nothing if target is None else target)
        self.documents, self.pad, self.tokenizer = documents, pad, tokenizer

    def cut(self, epoch: Epoch, device: torch.device) -> Iterator[Batch]:
        """The batches of an epoch on a device, each cut by one look-up."""
        for rows in epoch:
            yield self.batch(rows, device)

    @abstractmethod
    def batch(self, rows: BatchRows, device: torch.device) -> Batch:
        """Some documents and what is to be predicted of them."""

    def row(self, index: int) -> dict[str, object] | None:
        """A document's text."""
        return None if self.tokenizer is None else {"text": self.tokenizer.decode(self.documents[index].tolist())}


class NextTokenSplit(DocumentSplit):
    """What follows each token of a document: its inputs end before its last token, its target begins after its first.

    Example:
        >>> rows = Ragged(TokenArray(np.array([1, 5, 6, 2, 1, 7, 2])), TokenArray(np.array([0, 4, 7])))
        >>> batch = next(NextTokenSplit("train", None, rows).batches(batch_size=2))
        >>> batch.inputs.tolist(), batch.target.tolist()
        ([[1, 5, 6], [1, 7, 0]], [[5, 6, 2], [7, 2, -100]])
    """

    def batch(self, rows: BatchRows, device: torch.device) -> Batch:
        """Documents, and of each token the next; ``IGNORED`` at filling."""
        indices = rows.indices.to("cpu")
        tokens, real = self.documents.filled(indices.numpy(), self.pad)
        asked = real[:, 1:]
        inputs = np.where(asked, tokens[:, :-1], self.pad)
        target = np.where(asked, tokens[:, 1:], IGNORED)
        present = present_on(asked, device)
        return Batch(on(inputs, device), on(target, device), indices.to(device), rows.global_size, present=present)


class ClassSplit(DocumentSplit):
    """A class for each document.

    Example:
        >>> rows = Ragged(TokenArray(np.array([5, 6, 7])), TokenArray(np.array([0, 2, 3])))
        >>> batch = next(ClassSplit("train", torch.tensor([1, 0]), rows).batches(batch_size=2))
        >>> batch.inputs.tolist(), batch.present.tolist(), batch.target.tolist()
        ([[5, 6], [7, 0]], [[True, True], [True, False]], [1, 0])
    """

    def batch(self, rows: BatchRows, device: torch.device) -> Batch:
        """Documents and their classes."""
        indices = rows.indices.to("cpu")
        tokens, real = self.documents.filled(indices.numpy(), self.pad)
        target = self.target[indices].to(device)
        return Batch(on(tokens, device), target, indices.to(device), rows.global_size, present=present_on(real, device))


class SequenceSplit(DocumentSplit):
    """Another text for each document.

    Args:
        others: the tokens of each other text, its end token last.
        rest: as of a :class:`DocumentSplit`.

    Example:
        >>> rows = Ragged(TokenArray(np.array([5, 6, 7])), TokenArray(np.array([0, 2, 3])))
        >>> others = Ragged(TokenArray(np.array([8, 2, 9, 9, 2])), TokenArray(np.array([0, 2, 5])))
        >>> next(SequenceSplit("train", rows, others).batches(batch_size=2)).target.tolist()
        [[8, 2, -100], [9, 9, 2]]
    """

    def __init__(
        self, name: str, documents: Ragged, others: Ragged, *, pad: int = 0, tokenizer: Tokenizer | None = None
    ) -> None:
        super().__init__(name, None, documents, pad=pad, tokenizer=tokenizer)
        self.others = others

    def batch(self, rows: BatchRows, device: torch.device) -> Batch:
        """Documents and the other texts; ``IGNORED`` after their end."""
        indices = rows.indices.to("cpu")
        tokens, real = self.documents.filled(indices.numpy(), self.pad)
        target, _ = self.others.filled(indices.numpy(), IGNORED)
        present = present_on(real, device)
        return Batch(on(tokens, device), on(target, device), indices.to(device), rows.global_size, present=present)

    def row(self, index: int) -> dict[str, object] | None:
        """A document and the other text."""
        row = super().row(index)
        if row is None or self.tokenizer is None:
            return None
        return {**row, "target": self.tokenizer.decode(self.others[index].tolist())}


class TokenClassSplit(DocumentSplit):
    """A class for each token, ``IGNORED`` where none is asked for.

    Args:
        labels: of each token of each document.
        rest: as of a :class:`DocumentSplit`.

    Example:
        >>> starts = TokenArray(np.array([0, 2, 3]))
        >>> rows, labels = (
        ...     Ragged(TokenArray(np.array([5, 6, 7])), starts),
        ...     Ragged(TokenArray(np.array([1, 0, 1])), starts),
        ... )
        >>> next(TokenClassSplit("train", rows, labels).batches(batch_size=2)).target.tolist()
        [[1, 0], [1, -100]]
    """

    def __init__(
        self, name: str, documents: Ragged, labels: Ragged, *, pad: int = 0, tokenizer: Tokenizer | None = None
    ) -> None:
        super().__init__(name, None, documents, pad=pad, tokenizer=tokenizer)
        self.labels = labels

    def batch(self, rows: BatchRows, device: torch.device) -> Batch:
        """Documents and the class of each token."""
        indices = rows.indices.to("cpu")
        tokens, real = self.documents.filled(indices.numpy(), self.pad)
        target, _ = self.labels.filled(indices.numpy(), IGNORED)
        present = present_on(real, device)
        return Batch(on(tokens, device), on(target, device), indices.to(device), rows.global_size, present=present)


class SpanSplit(DocumentSplit):
    """A question and a text in one document each; the answer is a part of the text, from its first to its last token.

    Shapes:
        second (n,) int64: where the text begins; spans (n, 2) int64

    Args:
        second: of each document, the place of its second segment.
        spans: of each document, the places of the answer's first and last token.
        rest: as of a :class:`DocumentSplit`.

    Example:
        >>> rows = Ragged(TokenArray(np.array([5, 6, 7, 8])), TokenArray(np.array([0, 4])))
        >>> split = SpanSplit("train", rows, torch.tensor([2]), torch.tensor([[2, 3]]))
        >>> batch = next(split.batches(batch_size=1))
        >>> batch.segments.tolist(), batch.target.tolist()
        ([[0, 0, 1, 1]], [[2, 3]])
    """

    def __init__(
        self,
        name: str,
        documents: Ragged,
        second: Int[Tensor, " n"],
        spans: Int[Tensor, "n 2"],
        *,
        pad: int = 0,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        super().__init__(name, None, documents, pad=pad, tokenizer=tokenizer)
        self.second, self.spans = second, spans

    def batch(self, rows: BatchRows, device: torch.device) -> Batch:
        """Questions with their texts, and where the answers stand."""
        indices = rows.indices.to("cpu")
        tokens, real = self.documents.filled(indices.numpy(), self.pad)
        behind = np.arange(tokens.shape[1]) >= self.second[indices, None].numpy()
        return Batch(
            on(tokens, device),
            self.spans[indices].to(device),
            indices.to(device),
            rows.global_size,
            present=present_on(real, device),
            segments=on((real & behind).astype(np.int64), device),
        )


def present_on(real: Mask, device: torch.device) -> Tensor | None:
    """Which tokens are text; none where all are."""
    return None if real.all() else torch.from_numpy(real).to(device, non_blocking=True)
