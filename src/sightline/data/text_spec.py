"""How a text is made into tokens, and its tokens into examples."""

from dataclasses import dataclass
from typing import Annotated, Literal

from sightline.core.config import Config, Option

Documents = Literal["file", "paragraph", "line"]
Form = Literal["blocks", "packed", "padded"]
Order = Literal["order", "random"]

VOCABULARY_SIZE = 4096
"""Most tokens of a vocabulary trained here, unless another number is asked for."""

SENTINELS = 32
"""Sentinel tokens of a vocabulary trained here, unless another number is asked for."""


@dataclass(frozen=True)
class TextSpec(Config):
    """The text part of a run's data.

    The tokenizer is by default byte-level BPE: it writes any text in any script without an unknown token, and one of
    4,096 tokens is short enough to be learnt from one novel, of whose held-out part a token then holds 3.3 to 3.6
    characters (measured on four novels): a block holds that many times more text than one of letters. For a text of a
    few thousand words, or to compare with published figures, take ``"characters"``.

    Raises:
        ConfigurationError: for a value of the wrong type or out of its range.

    Lecture: W1, F2

    Example:
        >>> TextSpec(tokenizer="characters", length=64).documents
        'file'
    """

    tokenizer: Annotated[
        str,
        Option(
            "characters, words, bpe or wordpiece, trained on the training text;"
            " or a saved one: a folder, a tokenizer.json, or hf:owner/name"
        ),
    ] = "bpe"
    vocabulary_size: Annotated[
        int | None,
        Option(
            "most tokens of a trained tokenizer; none: 4,096, of characters all", "tokens", minimum=2, maximum=1_000_000
        ),
    ] = None
    lowercase: Annotated[bool, Option("a trained tokenizer makes all letters small")] = False
    sentinels: Annotated[
        int | None,
        Option(
            "tokens of a trained tokenizer that stand for spans left out; none: 32, of characters 0",
            "tokens",
            minimum=0,
            maximum=1000,
        ),
    ] = None
    length: Annotated[int, Option("most tokens in an example", "tokens", minimum=2)] = 128
    target_length: Annotated[
        int | None, Option("most tokens in a text to be predicted; none: as length", "tokens", minimum=2)
    ] = None
    documents: Annotated[Documents, Option("what one document of a text file is")] = "file"
    form: Annotated[
        Form | None,
        Option(
            "blocks cut from one stream of tokens; packed: the same with an end token after each document; padded: a"
            " document an example; none: blocks of files, packed lines, paragraphs and rows, padded where each has a"
            " target"
        ),
    ] = None
    column: Annotated[str | None, Option("column of a table that holds the text; none: the one of long text")] = None
    pair: Annotated[
        str | None, Option("file whose lines are the translations of the source's lines, or the column that holds them")
    ] = None
    order: Annotated[
        Order | None,
        Option(
            "the last part of a text, or of each class, is held out (order), or documents drawn by chance (random);"
            " none: order for a running text, random where each document has a target"
        ),
    ] = None
