"""Telling which parts of a user's texts a run's vocabulary does not have."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sightline.data.tokenizer import Tokenizer

SHOWN = 10
"""Parts that are named; of more the number is told."""


def tell_unknown(tokenizer: "Tokenizer", texts: Iterable[str]) -> None:
    """A line on standard error where texts hold what the tokenizer does not know: the model can't see it.

    Args:
        tokenizer: of the run.
        texts: that are given to its model.
    """
    parts = list(dict.fromkeys(part for text in dict.fromkeys(texts) for part in tokenizer.unknown(text)))
    if not parts:
        return
    shown = ", ".join(map(repr, parts[:SHOWN]))
    more = f" and {len(parts) - SHOWN:,} more" if len(parts) > SHOWN else ""
    sys.stderr.write(f"unknown to the model, which reads every one of them as the same token: {shown}{more}\n")
