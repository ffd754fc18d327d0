"""Pairs of texts: one to be made from the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.data import Data
from sightline.data.document_split import SequenceSplit
from sightline.data.documents import aligned_lines, require_splits, split_documents
from sightline.data.duplicates import fingerprint
from sightline.data.frame import source_frame, target_frame
from sightline.data.pictures import path_kind
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.splits import SPLIT_NAMES, SplitName
from sightline.data.text import as_data, no_split
from sightline.data.text_account import cut_off_note, text_found
from sightline.data.text_file import read_text
from sightline.data.token_array import Stored, Writer
from sightline.data.tokenise import (
    Account,
    SplitWriter,
    identity_of,
    kept_for,
    ragged,
    saved_tokenizer,
    trained_tokenizer,
    write_documents,
)
from sightline.data.tokenizer import Tokenizer


@dataclass(frozen=True)
class PairedTexts:
    """Texts, and the text that is to be made from each.

    Args:
        what: where they are from, in a few words.
        sources: what is given.
        targets: what is to be predicted, as many.
        target: its name.
        given: the split of each pair, where the source gives it.
        left_out: what was passed over.
    """

    what: str
    sources: Sequence[str]
    targets: Sequence[str]
    target: str
    given: Sequence[str] | None = None
    left_out: tuple[tuple[str, str], ...] = ()


def line_pairs(source: Path, pair: Path, *, named: str = "--data.text.pair") -> PairedTexts:
    """Two files whose lines belong together: line i of one is the translation of line i of the other.

    Pairs with nothing on one side are left out.

    Args:
        source: the file to translate from.
        pair: the file to translate into.
        named: what the user gave the second file by, for messages.

    Raises:
        DataError: when a file is missing, can't be read, or has another number of lines.
    """
    for path in (source, pair):
        if path_kind(path) != "file":
            raise DataError(
                expected=f"a file of lines at {path}", found=path_kind(path), do=f"check the path ({named})"
            )
    left, right = aligned_lines(read_text(source)), aligned_lines(read_text(pair))
    if len(left) != len(right):
        raise DataError(
            expected=f"as many lines in {pair} as in {source}",
            found=f"{len(right):,} lines and {len(left):,}",
            do="give files whose lines belong together, one translation a line",
        )
    return paired(f"{source} and {pair}", left, right, pair.name)


def paired(
    what: str,
    sources: Sequence[str | None],
    targets: Sequence[str | None],
    target: str,
    given: Sequence[str] | None = None,
) -> PairedTexts:
    """The pairs that have a text on both sides.

    Raises:
        DataError: when none has.

    Example:
        >>> paired("x", ["a", None, " "], ["A", "B", "C"], "big").left_out
        (('2 pairs', 'nothing on one side'),)
    """
    rows = [i for i, (a, b) in enumerate(zip(sources, targets, strict=True)) if (a or "").strip() and (b or "").strip()]
    if not rows:
        raise DataError(expected=f"pairs of texts in {what}", found="none", do="check that these are the right files")
    gone = len(sources) - len(rows)
    left_out = ((f"{gone:,} pairs", "nothing on one side"),) if gone else ()
    return PairedTexts(
        what,
        [sources[i] or "" for i in rows],
        [targets[i] or "" for i in rows],
        target,
        given and [given[i] for i in rows],
        left_out,
    )


def pair_data(spec: DataSpec, source: PairedTexts) -> Data:
    """Pairs of texts as tokens of one vocabulary, in three splits.

    Args:
        spec: what was asked for.
        source: the pairs.

    Raises:
        DataError: for too few pairs, or texts that can't be made into tokens.

    Lecture: W1, F2
    """
    rows = split_documents(len(source.sources), spec, given=source.given, order=spec.text.order or "random")
    require_splits(rows, spec, source.what, "pairs")
    saved = saved_tokenizer(spec.text)
    most = spec.text.target_length or spec.text.length
    settled = {"task": "sequence", "given": source.given}
    content = fingerprint(*(text.encode("utf-8", "surrogatepass") for text in (*source.sources, *source.targets)))

    def make(writer: Writer) -> Mapping[str, Any]:
        both = [text[row] for text in (source.sources, source.targets) for row in rows.train.tolist()]
        tokenizer = saved or trained_tokenizer(spec.text, both)
        account, answers, out = Account(), Account(), SplitWriter(writer, tokenizer)
        given, asked = source_frame(tokenizer, spec.text.length), target_frame(tokenizer, most)
        if not asked.after:
            raise DataError(
                expected="a tokenizer with an end token, which ends a text that is written",
                found=f"none in {spec.text.tokenizer!r}",
                do="choose another tokenizer",
            )
        write_documents(out, account, tokenizer, given, rows, source.sources)
        write_documents(out, answers, tokenizer, asked, rows, source.targets, "others")
        out.finish()
        told = answers.facts(tokenizer)
        return {
            **account.facts(tokenizer),
            "bytes_per_token": told["bytes_per_token"],
            "target_counts": told["counts"],
            "target_cut_off": told["cut_off"],
        }

    kept = kept_for(spec, settled, content, saved, make)
    tokenizer = saved or Tokenizer.from_json(kept.facts["tokenizer"])
    text = tokenizer.text_schema(spec.text.length, target_length=most, bytes_per_token=kept.facts["bytes_per_token"])
    schema = Schema(
        kind="text",
        task="sequence",
        input_shape=(spec.text.length,),
        target=source.target,
        standardise="none",
        text=text,
    )
    splits = {name: _split(name, source.what, kept, tokenizer) for name in SPLIT_NAMES}
    tokens = kept.facts["target_counts"]["train"]
    found = text_found(
        spec,
        f"{source.what}: {len(source.sources):,} pairs of texts",
        schema,
        splits,
        kept,
        tokenizer,
        left_out=source.left_out,
        notes=(
            f"to be predicted: {tokens['tokens']:,} tokens of {tokens['bytes'] / max(tokens['tokens'], 1):.2f} bytes in"
            " training",
            *(f"of the other texts, {note}" for note in cut_off_note(kept.facts["target_cut_off"], most)),
        ),
    )
    return as_data(spec, schema, splits, found, identity_of(spec, settled, content, saved), tokenizer)


def _split(name: SplitName, what: str, kept: Stored, tokenizer: Tokenizer) -> Split:
    documents = ragged(kept, f"{name}-tokens")
    if not len(documents):
        return no_split(name, what)
    others = ragged(kept, f"{name}-others")
    return SequenceSplit(name, documents, others, pad=tokenizer.special("pad") or 0, tokenizer=tokenizer)
