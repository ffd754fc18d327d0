"""Special tokens around a document, and what is cut off a document that is too long for them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sightline.data.tokenizer import Tokenizer

Tokens = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Frame:
    """What stands before and after each document.

    Args:
        before: special tokens at the beginning.
        after: special tokens at the end; they stay where the document is cut.
        most: tokens of the whole.

    Example:
        >>> frame = Frame((1,), (2,), most=4)
        >>> [whole.tolist() for whole in frame.around([np.array([7]), np.array([7, 8, 9])])]
        [[1, 7, 2], [1, 7, 8, 2]]
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    most: int

    @property
    def room(self) -> int:
        """Tokens of a document that fit between."""
        return max(self.most - len(self.before) - len(self.after), 0)

    def around(self, documents: Sequence[Tokens]) -> list[Tokens]:
        """The documents with the special tokens, each cut to fit."""
        before, after = np.array(self.before, np.int64), np.array(self.after, np.int64)
        return [np.concatenate((before, tokens[: self.room], after)) for tokens in documents]

    def cut_off(self, documents: Sequence[Tokens]) -> int:
        """How many documents do not fit."""
        return sum(len(tokens) > self.room for tokens in documents)


def text_frame(tokenizer: Tokenizer, length: int) -> Frame:
    """Around a text that is to be written on, one token longer than an example: begin and end."""
    return Frame(_one(tokenizer, "begin", "classify"), _one(tokenizer, "end", "separator"), length + 1)


def prompt_frame(tokenizer: Tokenizer, length: int) -> Frame:
    """Before a text that is to be continued: begin."""
    return Frame(_one(tokenizer, "begin", "classify"), (), length)


def class_frame(tokenizer: Tokenizer, length: int) -> Frame:
    """Around a text whose class is asked for: BERT's ``[CLS]`` and ``[SEP]``, or what stands for them."""
    return Frame(_one(tokenizer, "classify", "begin"), _one(tokenizer, "separator", "end"), length)


def source_frame(tokenizer: Tokenizer, length: int) -> Frame:
    """Around a text that another is made from: an end, and a beginning where that is a token of its own."""
    begin, end = _one(tokenizer, "begin"), _one(tokenizer, "end", "separator")
    return Frame(begin if begin != end else (), end, length)


def target_frame(tokenizer: Tokenizer, length: int) -> Frame:
    """Around a text to be predicted: an end; what it begins with is the model's affair."""
    return Frame((), _one(tokenizer, "end", "separator"), length)


def _one(tokenizer: Tokenizer, *names: str) -> tuple[int, ...]:
    """The first of the special tokens that the vocabulary has, or none."""
    return next(((token,) for name in names if (token := tokenizer.special(name)) is not None), ())
