"""Questions whose answer is a part of a text: SQuAD's layout, and where the answer stands among the tokens."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.data import Data
from sightline.data.document_split import SpanSplit
from sightline.data.documents import require_splits, split_documents
from sightline.data.duplicates import fingerprint
from sightline.data.frame import Tokens, class_frame
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.splits import SPLIT_NAMES, SplitName
from sightline.data.text import as_data, no_split
from sightline.data.text_account import text_found
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
)
from sightline.data.tokenizer import Tokenizer


@dataclass(frozen=True)
class Question:
    """A question, the text that answers it, and where in it the answer stands.

    Args:
        question: as asked.
        context: number of the text.
        start: first character of the answer.
        stop: the character after its last.
    """

    question: str
    context: int
    start: int
    stop: int


def read_questions(path: Path) -> tuple[list[str], list[Question], int]:
    """A file in SQuAD's layout: its texts, its questions, and how many of them have no answer.

    Raises:
        DataError: for another layout, or an answer that does not stand where the file says.
    """
    texts: list[str] = []
    questions: list[Question] = []
    unanswered = 0
    try:
        articles = json.loads(read_text(path))["data"]
        for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
            texts.append(str(paragraph["context"]))
            for asked in paragraph["qas"]:
                if not asked["answers"]:
                    unanswered += 1
                    continue
                answer, start = str(asked["answers"][0]["text"]), int(asked["answers"][0]["answer_start"])
                found = texts[-1][start : start + len(answer)] if start >= 0 else ""
                if found != answer or not answer:
                    raise DataError(
                        expected=f"the answer {answer!r} at character {start} of its text in {path}",
                        found=repr(found),
                        do="mend answer_start, which counts characters from 0",
                    )
                questions.append(Question(str(asked["question"]), len(texts) - 1, start, start + len(answer)))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(
            expected=f"questions in SQuAD's layout in {path}: data, paragraphs, context, qas, answers, answer_start",
            found=f"{type(error).__name__}: {error}",
            do="write the file in that layout",
        ) from error
    if not questions:
        raise DataError(expected=f"questions with an answer in {path}", found="none", do="give another file")
    return texts, questions, unanswered


@dataclass(frozen=True)
class Written:
    """Questions with their texts as tokens.

    Args:
        tokens: of each question that is kept.
        second: where its text begins.
        spans: first and last token of its answer.
        kept: its number among all questions.
    """

    tokens: list[Tokens]
    second: list[int]
    spans: list[tuple[int, int]]
    kept: list[int]


def write_questions(tokenizer: Tokenizer, texts: Sequence[str], questions: Sequence[Question], length: int) -> Written:
    """Each question and its text between special tokens: ``[CLS]`` question ``[SEP]`` text ``[SEP]``.

    A question takes half the room at most; the text is cut to fit. A question whose answer is cut off, or is no token,
    is left out.
    """
    frame = class_frame(tokenizer, length)
    before, after = np.array(frame.before, np.int64), np.array(frame.after, np.int64)
    room = max(length - len(before) - 2 * len(after), 0)
    contexts = _with_places(tokenizer, texts)
    asked = tokenizer.encode_batch([question.question for question in questions])
    written = Written([], [], [], [])
    for number, question in enumerate(questions):
        tokens, places = contexts[question.context]
        ask = asked[number][: room // 2]
        inside = np.flatnonzero((places[:, 0] < question.stop) & (places[:, 1] > question.start))
        if not len(inside) or inside[-1] >= room - len(ask):
            continue
        second = len(before) + len(ask) + len(after)
        written.tokens.append(np.concatenate((before, ask, after, tokens[: room - len(ask)], after)))
        written.second.append(second)
        written.spans.append((second + int(inside[0]), second + int(inside[-1])))
        written.kept.append(number)
    return written


def _with_places(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[Tokens, Tokens]]:
    """The tokens of each text, and of each token its first character and the one after its last.

    The file's own tokenizer tells the places; letters of a special token stay letters.
    """
    import tokenizers

    whole = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    whole.encode_special_tokens = True
    whole.no_padding()
    whole.no_truncation()
    encoded = whole.encode_batch(list(texts), add_special_tokens=False)
    return [(np.array(e.ids, np.int64), np.array(e.offsets, np.int64).reshape(-1, 2)) for e in encoded]


def span_data(spec: DataSpec, path: Path) -> Data:
    """Questions and texts as tokens, in three splits; all questions on one text are in one split.

    Args:
        spec: what was asked for.
        path: a file in SQuAD's layout.

    Raises:
        DataError: when it can't be read, or has too few texts.

    Lecture: W1, F2
    """
    texts, questions, unanswered = read_questions(path)
    rows = split_documents(len(texts), spec, order=spec.text.order or "random")
    require_splits(rows, spec, str(path), "texts")
    saved = saved_tokenizer(spec.text)
    settled = {"task": "span"}
    content = fingerprint(repr((texts, questions)).encode(errors="surrogatepass"))

    def make(writer: Writer) -> Mapping[str, Any]:
        train = set(rows.train.tolist())
        said = [texts[row] for row in rows.train.tolist()] + [q.question for q in questions if q.context in train]
        tokenizer = saved or trained_tokenizer(spec.text, said)
        account, out, cut = Account(), SplitWriter(writer, tokenizer), 0
        for name in SPLIT_NAMES:
            here = set(rows.of(name).tolist())
            asked = [question for question in questions if question.context in here]
            written = write_questions(tokenizer, texts, asked, spec.text.length)
            cut += len(asked) - len(written.kept)
            said = [f"{asked[i].question}\n{texts[asked[i].context]}" for i in written.kept]
            account.add(name, said, written.tokens, tokenizer.special("unknown"))
            out.add(f"{name}-tokens", written.tokens)
            out.numbers(f"{name}-second", np.array(written.second, np.int64))
            out.numbers(f"{name}-spans", np.array(written.spans, np.int64).reshape(-1))
            out.hashes(f"{name}-hashes", said)
        out.finish()
        if not account.counts["train"].documents or not account.counts["validation"].documents:
            raise DataError(
                expected=f"questions in {path} whose answers stand in the first {spec.text.length} tokens",
                found=f"{cut:,} questions whose answer is cut off",
                do="make examples longer (--data.text.length)",
            )
        return {**account.facts(tokenizer), "answers_cut_off": cut}

    kept = kept_for(spec, settled, content, saved, make)
    tokenizer = saved or Tokenizer.from_json(kept.facts["tokenizer"])
    schema = Schema(
        kind="text",
        task="span",
        input_shape=(spec.text.length,),
        target="answer",
        standardise="none",
        text=tokenizer.text_schema(spec.text.length, bytes_per_token=kept.facts["bytes_per_token"]),
    )
    splits = {name: _split(name, str(path), kept, tokenizer) for name in SPLIT_NAMES}
    cut = kept.facts["answers_cut_off"]
    left_out = [(f"{unanswered:,} questions", "no answer")] if unanswered else []
    left_out += [(f"{cut:,} questions", f"the answer is not within {spec.text.length} tokens")] if cut else []
    what = f"{path}: {len(questions):,} questions on {len(texts):,} texts"
    found = text_found(spec, what, schema, splits, kept, tokenizer, left_out=left_out)
    return as_data(spec, schema, splits, found, identity_of(spec, settled, content, saved), tokenizer)


def _split(name: SplitName, what: str, kept: Stored, tokenizer: Tokenizer) -> Split:
    documents = ragged(kept, f"{name}-tokens")
    if not len(documents):
        return no_split(name, what)
    second = torch.from_numpy(kept[f"{name}-second"].copy())
    spans = torch.from_numpy(kept[f"{name}-spans"].reshape(-1, 2).copy())
    return SpanSplit(name, documents, second, spans, pad=tokenizer.special("pad") or 0, tokenizer=tokenizer)
