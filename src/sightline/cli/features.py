"""``sightline features``: contextual features of texts, one vector a line."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.arguments import Arguments
from sightline.cli.unknown import tell_unknown
from sightline.core.errors import CheckpointError, ConfigurationError, DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sightline.data.tokenizer import Tokenizer

HUB = "hf:"

SUFFIXES = (".npz", ".csv")


def run(words: Sequence[str]) -> int:
    """Write vectors, and tell the nearest texts, as the words say."""
    parser = Arguments(
        "features",
        "Contextual features of texts: what a network's layers make of each line of a file, as one vector a line.",
    )
    parser.add_argument("run", help="a run folder, a saved network's folder, or hf:owner/name")
    parser.add_argument("texts", metavar="FILE", help="a text a line; empty lines are left out")
    parser.add_argument(
        "--layer",
        default="last",
        help="last, second-to-last, sum, mean, last-four (their mean), last-four-concatenated, or a number, 0 the "
        "embeddings (default: last)",
    )
    parser.add_argument("--pool", default="mean", help="over tokens: first, mean, max or last (default: mean)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="vectors as .csv, or as .npz: vectors, and names, the texts: json.loads(bytes(file['names']))",
    )
    parser.add_argument("--nearest", type=int, default=0, metavar="N", help="tell each text's N nearest by cosine")
    parser.add_argument("--cut", action="store_true", help="cut texts longer than the context instead of refusing them")
    given = parser.parse_args(words)
    _require(given.out, given.nearest)

    model, tokenizer = _opened(given.run)
    texts = _lines(Path(given.texts))
    tell_unknown(tokenizer, texts)

    from sightline.train.features import text_features

    vectors = text_features(model, tokenizer, texts, mix=given.layer, pool=given.pool, cut=given.cut)
    if given.out is not None:
        _write(given.out, texts, vectors)
    told = f" in {given.out}" if given.out is not None else ""
    sys.stdout.write(f"{len(texts):,} vectors of {vectors.shape[1]:,} numbers{told}\n")
    if given.nearest and len(texts) > 1:
        _tell_nearest(texts, vectors, given.nearest)
    return 0


def _require(out: Path | None, nearest: int) -> None:
    if out is None and not nearest:
        raise ConfigurationError(
            expected="something to do with the vectors",
            found="neither --out nor --nearest",
            do="give --out vectors.npz",
        )
    if nearest < 0:
        raise ConfigurationError(expected="--nearest of at least 1", found=str(nearest), do="use 3")
    if out is not None and out.suffix not in SUFFIXES:
        raise ConfigurationError(
            expected=f"a file ending in {' or '.join(SUFFIXES)}", found=str(out), do="give --out vectors.npz"
        )
    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigurationError(expected=f"a folder for {out}", found="none there", do="make the folder first")


def _opened(source: str) -> tuple["nn.Module", "Tokenizer"]:
    """A network and its tokenizer, from a run or from a saved network."""
    from sightline.data.tokenizer import Tokenizer

    folder = Path(source)
    if source.startswith(HUB) or (folder / "config.json").is_file():
        from sightline.models.pretrained import load_pretrained

        pretrained: Any = load_pretrained(source)
        if pretrained.tokenizer_json is None:
            raise CheckpointError(
                expected=f"tokenizer.json beside the weights of {source}",
                found="none",
                do="save the tokenizer there in that format",
            )
        return pretrained.predictor, Tokenizer.from_json(pretrained.tokenizer_json)
    from sightline.cli.unfinished import tell_unfinished
    from sightline.train import open_run

    opened = open_run(source)
    tell_unfinished(opened.folder)
    return opened.model, opened.tokenizer


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(expected=f"UTF-8 text in {path}", found=str(error), do="save the file as UTF-8") from error
    except OSError as error:
        raise DataError(
            expected=f"a file with a text a line at {path}", found=error.strerror or str(error), do="check the path"
        ) from error
    lines = text.split("\n")
    texts = [line.rstrip("\r") for line in lines if line.strip()]
    if not texts:
        raise DataError(expected=f"a text a line in {path}", found="no text", do="write some lines")
    empty = len(lines) - (not lines[-1]) - len(texts)
    if empty:
        sys.stderr.write(f"left out: {empty} empty {'line' if empty == 1 else 'lines'}\n")
    return texts


def _write(path: Path, texts: Sequence[str], vectors: "Tensor") -> None:
    import numpy as np

    from sightline.core.files import write_whole

    if path.suffix == ".npz":
        packed = io.BytesIO()
        names = np.frombuffer(json.dumps(list(texts), ensure_ascii=False).encode(), np.uint8)
        np.savez(packed, names=names, vectors=vectors.numpy())
        write_whole(path, packed.getvalue())
        return
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", *(f"v{number}" for number in range(vectors.shape[1]))])
    writer.writerows([text, *map(repr, vector)] for text, vector in zip(texts, vectors.tolist(), strict=True))
    write_whole(path, table.getvalue())


def _tell_nearest(texts: Sequence[str], vectors: "Tensor", count: int) -> None:
    from rich.table import Table

    from sightline.train.features import nearest_texts

    which, cosine = nearest_texts(vectors, count)
    table = Table(box=None, pad_edge=False, show_header=True, header_style="")
    table.add_column("text", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("nearest", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("cosine", justify="right", no_wrap=True)
    for row, text in enumerate(texts):
        for place, (other, share) in enumerate(zip(which[row].tolist(), cosine[row].tolist(), strict=True)):
            table.add_row(_plain(text) if not place else "", _plain(texts[other]), f"{share:.3f}")
    _terminal().print(table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _terminal() -> Any:
    """Where the table goes: standard output as it is now."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, soft_wrap=False)
