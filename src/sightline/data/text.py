"""Texts to be written on: blocks of a stream, or documents, and of each token the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.data import Data
from sightline.data.document_split import NextTokenSplit
from sightline.data.found import Found
from sightline.data.frame import Tokens, text_frame
from sightline.data.spec import DataSpec
from sightline.data.split import EmptySplit, Split
from sightline.data.splits import SPLIT_NAMES, SplitName
from sightline.data.text_account import text_found
from sightline.data.text_spec import Form, Order
from sightline.data.token_array import Stored, Writer
from sightline.data.token_split import BlockSplit
from sightline.data.tokenise import (
    Account,
    Count,
    SplitWriter,
    Texts,
    TrainingTexts,
    identity_of,
    kept_for,
    ragged,
    saved_tokenizer,
    trained_tokenizer,
)
from sightline.data.tokenizer import Tokenizer


class ShortTextError(DataError):
    """A split of a text that does not fill one example."""


@dataclass(frozen=True)
class Corpus:
    """Texts to be written on.

    Args:
        what: where they are from, in a few words.
        texts: gives them piece by piece.
        content: a hash of them.
        form: how they become examples.
        order: how they were divided.
        notes: what the account should say.
    """

    what: str
    texts: Texts
    content: str
    form: Form
    order: Order
    notes: tuple[str, ...] = ()


def language_data(spec: DataSpec, corpus: Corpus) -> Data:
    """Texts as tokens, in three splits; what is to be predicted is the next token.

    Args:
        spec: what was asked for.
        corpus: the texts.

    Raises:
        DataError: for an empty text, one that fills no example of a split, or one that can't be made into tokens.

    Lecture: W1, F2
    """
    saved = saved_tokenizer(spec.text)
    settled = {"task": "language", "form": corpus.form, "order": corpus.order}

    def make(writer: Writer) -> Mapping[str, Any]:
        tokenizer = saved or trained_tokenizer(spec.text, TrainingTexts(corpus.texts))
        return write_language(spec, corpus, tokenizer, writer)

    # a stream's tokens do not depend on the length of its blocks: they are kept once for all lengths
    streamed = spec if corpus.form == "padded" else spec.replace(text=spec.text.replace(length=2, target_length=None))
    kept = kept_for(streamed, settled, corpus.content, saved, make)
    require_filled(spec, corpus, kept)
    tokenizer = saved or Tokenizer.from_json(kept.facts["tokenizer"])
    length = spec.text.length
    schema = Schema(
        kind="text",
        task="language",
        input_shape=(length,),
        target="",
        standardise="none",
        text=tokenizer.text_schema(length, bytes_per_token=kept.facts["bytes_per_token"]),
    )
    splits = {name: _split(name, spec, corpus, kept, tokenizer) for name in SPLIT_NAMES}
    for name, split in splits.items():
        split.bytes_per_term = Count(**kept.facts["counts"][name]).bytes_per_term
    characters = sum(count["characters"] for count in kept.facts["counts"].values())
    what = f"{corpus.what}: a text of {characters:,} characters, {kept.facts['letters']} of them different"
    found = text_found(spec, what, schema, splits, kept, tokenizer, notes=corpus.notes)
    return as_data(spec, schema, splits, found, identity_of(spec, settled, corpus.content, saved), tokenizer)


def as_data(
    spec: DataSpec,
    schema: Schema,
    splits: Mapping[SplitName, Split],
    found: Found,
    fingerprint: str,
    tokenizer: Tokenizer,
) -> Data:
    """All of it together."""
    return Data(
        spec.source,
        spec,
        schema,
        splits["train"],
        splits["validation"],
        splits["test"],
        found,
        fingerprint,
        tokenizer,
    )


def write_language(spec: DataSpec, corpus: Corpus, tokenizer: Tokenizer, writer: Writer) -> Mapping[str, Any]:
    """Write every split's tokens, and say what they are.

    Raises:
        DataError: for a text that can't be made into tokens, or not into the form asked for.
    """
    account, out = Account(), SplitWriter(writer, tokenizer)
    frame = text_frame(tokenizer, spec.text.length)
    ends = np.array(frame.after, np.int64)
    if corpus.form == "packed" and not frame.after:
        raise DataError(
            expected="a tokenizer with an end token, which stands between packed documents",
            found=f"none in {spec.text.tokenizer!r}",
            do="choose another form (--data.text.form blocks), or another tokenizer",
        )
    for name, documents in corpus.texts():
        tokens: list[Tokens] = list(tokenizer.encode_batch(documents)) if documents else []
        account.add(name, documents, tokens, tokenizer.special("unknown"))
        account.counts[name].add_terms(documents, tokens, frame, corpus.form)
        if corpus.form == "padded":
            account.cut_off += frame.cut_off(tokens)
            out.add(f"{name}-tokens", frame.around(tokens))
            out.hashes(f"{name}-hashes", documents)
        elif corpus.form == "packed":
            out.numbers(f"{name}-tokens", flat([part for t in tokens for part in (t, ends)], out.type))
        else:
            out.numbers(f"{name}-tokens", flat(tokens, out.type))
    out.finish()
    return account.facts(tokenizer)


def flat(parts: Sequence[Tokens], dtype: np.dtype[Any]) -> Tokens:
    """Tokens one after the other."""
    return np.concatenate([*parts, np.zeros(0, np.int64)]).astype(dtype)


def require_filled(spec: DataSpec, corpus: Corpus, kept: Stored) -> None:
    """Refuse a text that fills no example of a split.

    Raises:
        ShortTextError: naming the split.
    """
    for name in SPLIT_NAMES:
        if name == "test" and spec.test_fraction == 0:
            continue
        if corpus.form == "padded":
            if not kept.facts["counts"][name]["documents"]:
                raise ShortTextError(
                    expected=f"documents in {corpus.what} for training, validation and test",
                    found=f"none for {name}",
                    do="add documents, or change data.validation_fraction and data.test_fraction",
                )
            continue
        tokens = len(kept.arrays.get(f"{name}-tokens", ()))
        if tokens <= spec.text.length:
            raise ShortTextError(
                expected=f"a block of {spec.text.length} tokens and the next one in each split of {corpus.what}",
                found=f"{tokens:,} tokens for {name}",
                do="shorten the blocks (--data.text.length), give more text, or hold out more of it"
                if name != "train"
                else "shorten the blocks (--data.text.length), or give more text",
            )


def _split(name: SplitName, spec: DataSpec, corpus: Corpus, kept: Stored, tokenizer: Tokenizer) -> Split:
    tokens = kept.arrays.get(f"{name}-tokens")
    if tokens is None or not len(tokens):
        return no_split(name, corpus.what)
    if corpus.form == "padded":
        documents = ragged(kept, f"{name}-tokens")
        return NextTokenSplit(name, None, documents, pad=tokenizer.special("pad") or 0, tokenizer=tokenizer)
    if len(tokens) <= spec.text.length:
        return no_split(name, corpus.what)
    return BlockSplit(name, tokens, spec.text.length, moved=name == "train", tokenizer=tokenizer)


def no_split(name: SplitName, what: str) -> EmptySplit:
    """A split that nothing was held out for."""
    return EmptySplit(name, f"{what}, of which nothing was held out for {name}", f"set data.{name}_fraction above 0")
