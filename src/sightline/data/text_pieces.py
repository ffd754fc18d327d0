"""A corpus piece by piece: the documents of text files, or of a table's column, each in its split."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sightline.core.errors import DataError
from sightline.data.documents import cut_characters, documents_of, require_splits, split_documents
from sightline.data.duplicates import content_hash, fingerprint
from sightline.data.hub import SPLIT_OF
from sightline.data.pictures import read_bytes
from sightline.data.source import TextSource
from sightline.data.spec import DataSpec
from sightline.data.splits import SPLIT_NAMES, SplitName
from sightline.data.text_file import read_text, stem
from sightline.data.text_spec import Form, Order


def content_of(files: Sequence[Path], root: Path) -> str:
    """A hash of files' names and bytes, one file after the other.

    Raises:
        DataError: when a file can't be read.
    """
    names = (str(file.relative_to(root)) if file != root else "" for file in files)
    parts = [
        name.encode(errors="surrogatepass") + content_hash(read_bytes(f)) for name, f in zip(names, files, strict=True)
    ]
    return fingerprint(*parts)


def given_splits(source: TextSource) -> list[SplitName] | None:
    """The split of each file as its folder or name tells, "train" where it tells none; none where none tells one.

    Only a whole name tells one, ``test.txt`` or ``test/emma.txt``: ``a-test-of-will.txt`` is a novel.

    Example:
        >>> root = Path("wiki")
        >>> given_splits(TextSource("wiki", (root / "test.txt", root / "train.txt"), root))
        ['test', 'train']
    """
    if len(source.files) < 2:
        return None
    words = [_split_named(file.relative_to(source.root)) for file in source.files]
    return [word or "train" for word in words] if "train" in words and len(set(words) - {None}) > 1 else None


def _split_named(path: Path) -> SplitName | None:
    """The split that the first telling folder, or else the file, is named after."""
    names = (name.lower() for name in (*path.parts[:-1], stem(path)))
    return next((SPLIT_OF[name] for name in names if name in SPLIT_OF), None)


def split_notes(given: Sequence[SplitName] | None) -> tuple[str, ...]:
    """What is said of splits that names tell.

    Example:
        >>> split_notes(["test", "train", "train"])
        ('files are divided as their names or folders tell: 2 train, 1 test',)
    """
    if given is None:
        return ()
    told = ", ".join(f"{given.count(name)} {name}" for name in SPLIT_NAMES if name in given)
    return (f"files are divided as their names or folders tell: {told}",)


def file_pieces(spec: DataSpec, source: TextSource, form: Form, order: Order) -> Iterator[tuple[SplitName, list[str]]]:
    """The documents of text files, one file at a time: no more than one is held in memory.

    Where a document is a file that stands for itself (padded, or drawn by chance), whole files form the splits.
    Otherwise every file is cut for itself, so that each split has its share of every file: a file that is one document
    by its characters, one of several by its documents.

    Raises:
        DataError: when a file can't be read, or there are too few for three splits.
    """
    given = given_splits(source)
    missing = [name for name in SPLIT_NAMES if name != "train" and (given is None or name not in given)]
    if spec.text.documents == "file" and (form == "padded" or order == "random"):
        rows = split_documents(len(source.files), spec, given=given, order=order)
        require_splits(rows, spec, source.what, "files")
        for name in SPLIT_NAMES:
            for row in rows.of(name).tolist():
                yield name, documents_of(read_text(source.files[row]), "file")
        return
    for number, file in enumerate(source.files):
        text, split = read_text(file), "train" if given is None else given[number]
        if split != "train":
            yield split, documents_of(text, spec.text.documents)
        elif spec.text.documents == "file":
            for name, part in cut_characters(text, spec, missing).items():
                yield name, [part] if part else []
        else:
            yield from document_pieces(spec, documents_of(text, spec.text.documents), order, missing=missing)


def document_pieces(
    spec: DataSpec,
    documents: Sequence[str],
    order: Order,
    *,
    given: Sequence[str] | None = None,
    missing: Sequence[SplitName] | None = None,
) -> Iterator[tuple[SplitName, list[str]]]:
    """Documents in memory, divided among the splits."""
    rows = split_documents(len(documents), spec, given=given, order=order, missing=missing)
    for name in SPLIT_NAMES:
        yield name, [documents[row] for row in rows.of(name).tolist()]


def require_text(source: TextSource) -> None:
    """Refuse a source without any file, or of files without a letter.

    Raises:
        DataError: for either.
    """
    if not any(read_text(file).strip() for file in source.files):
        what = "an empty file" if len(source.files) == 1 else f"{len(source.files)} files without a letter"
        raise DataError(expected=f"text in {source.what}", found=what, do="check that it is the right file")
