"""Text files of every kind: which they are, and what becomes of each."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from sightline.core.errors import ConfigurationError
from sightline.data.data import Data
from sightline.data.documents import documents_of
from sightline.data.embedded import DATASETS
from sightline.data.hub import PREFIX, parquet_files
from sightline.data.image import SUFFIXES
from sightline.data.image_folder import files_below, subfolders
from sightline.data.pictures import entries, path_kind
from sightline.data.source import ImageSource, TableSource, TextSource
from sightline.data.spec import DataSpec
from sightline.data.table_file import CSV_SUFFIXES
from sightline.data.text import Corpus, ShortTextError, language_data
from sightline.data.text_classes import CLASSES_OF_FILES, class_data, files_by_class
from sightline.data.text_file import is_text_file, read_text
from sightline.data.text_pairs import line_pairs, pair_data
from sightline.data.text_pieces import content_of, file_pieces, given_splits, require_text, split_notes
from sightline.data.text_spans import span_data
from sightline.data.text_spec import Form, TextSpec
from sightline.data.token_labels import LABEL_SUFFIXES, token_label_data

TABLE_SUFFIXES = (*CSV_SUFFIXES, ".parquet")


def read_text_folder(root: Path) -> TextSource | None:
    """The text files of a folder and of those below it; none where it has none, or is one of images.

    It is one of images where a folder in it has some, or where at least as many images as texts lie in it: a file of
    notes makes no texts of photos, a cover no photos of novels.

    Args:
        root: the folder.
    """
    if any(_is_image(file) for folder in subfolders(root) for file in files_below(folder)):
        return None
    files = tuple(file for file in files_below(root) if is_text_file(file))
    images = sum(_is_image(file) for file in entries(root))
    return TextSource(str(root), files, root) if files and len(files) > images else None


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def special_reader(spec: DataSpec) -> Callable[[DataSpec], Data] | None:
    """What reads a file of pairs, of labelled words or of questions; none where the source is something else."""
    path, name = Path(spec.source), Path(spec.source).name.lower()
    if path_kind(path) != "file" or name.endswith(TABLE_SUFFIXES):
        return None
    pair = spec.text.pair
    if pair is not None:
        return lambda spec: pair_data(spec, line_pairs(path, Path(pair)))
    if spec.task == "span" or name.endswith(".json"):
        return lambda spec: span_data(spec, path)
    if spec.task == "token-classification" or name.endswith(LABEL_SUFFIXES):
        return lambda spec: token_label_data(spec, path)
    return None


def text_data(spec: DataSpec, source: TextSource) -> Data:
    """Texts with a class for each document where files or folders are the target; else to be written on.

    Args:
        spec: what was asked for.
        source: the files.

    Raises:
        DataError: when they can't be read or used.
        ConfigurationError: for a task that text files do not have.

    Lecture: W1, F2
    """
    if spec.target in CLASSES_OF_FILES:
        return class_data(spec, files_by_class(source, spec.target, spec.text.documents))
    if spec.task not in (None, "language"):
        raise ConfigurationError(
            expected=f"a task that {source.what} has: language",
            found=f"data.task = {spec.task}",
            do="leave the task away; for classes name a target (--target file), for pairs the other file"
            " (--data.text.pair)",
        )
    try:
        return language_data(spec, corpus_of(spec, source))
    except ShortTextError as short:
        if source.root in source.files:
            raise
        raise _of_folder(source, short) from short


def _of_folder(source: TextSource, short: ShortTextError) -> ShortTextError:
    """Too little text in a folder: it may have been meant as one of images or of a table."""
    names = [str(file.relative_to(source.root)) for file in source.files]
    listed = ", ".join(names[:3]) + ("…" if len(names) > 3 else "")
    return ShortTextError(
        expected=short.expected,
        found=f"{short.found}; the folder was taken for one of texts, because of {listed}, and no table and hardly an"
        " image is beside them",
        do=f"{short.do}; for images give the folder that they are in, for a table its file",
    )


def corpus_of(spec: DataSpec, source: TextSource) -> Corpus:
    """The texts of files, to be written on."""
    require_text(source)
    form = usual_form(spec)
    order = spec.text.order or "order"
    return Corpus(
        source.what,
        lambda: file_pieces(spec, source, form, order),
        content_of(source.files, source.root),
        form,
        order,
        (*((f"{len(source.files):,} files",) if len(source.files) > 1 else ()), *split_notes(given_splits(source))),
    )


def usual_form(spec: DataSpec) -> Form:
    """How text files become examples, unless it is said: blocks of whole files, packed lines and paragraphs."""
    return spec.text.form or ("blocks" if spec.text.documents == "file" else "packed")


def trained_form(spec: DataSpec) -> Form:
    """How texts of any source became examples, by the settings alone: those of a table are packed too.

    Args:
        spec: a run's data settings; its source need not be there any more.

    Example:
        >>> trained_form(DataSpec(source="novel.txt")), trained_form(DataSpec(source="hf:owner/name"))
        ('blocks', 'packed')
        >>> trained_form(DataSpec(source="reviews.CSV")), trained_form(DataSpec(source="digits"))
        ('packed', 'packed')
    """
    path = Path(spec.source.removeprefix(PREFIX))
    kind = path_kind(path)
    is_table = (
        spec.text.column is not None
        or spec.source in DATASETS
        or path.name.lower().endswith(TABLE_SUFFIXES)
        or (spec.source.startswith(PREFIX) and kind == "none")
        or (kind == "folder" and bool(parquet_files(path)))
    )
    return spec.text.form or "packed" if is_table else usual_form(spec)


def whole_documents(source: TextSource, spec: DataSpec) -> list[str]:
    """All documents of all files."""
    return [document for file in source.files for document in documents_of(read_text(file), spec.text.documents)]


def require_no_text(spec: DataSpec, source: ImageSource | TableSource) -> None:
    """Refuse options of texts for a source of images, or a table of numbers and categories.

    Raises:
        ConfigurationError: for a task of texts, any option of texts that is not at its default, or no test split.
    """
    kind = "images" if isinstance(source, ImageSource) else "a table of numbers and categories"
    if spec.task not in (None, "classification", "regression"):
        raise ConfigurationError(
            expected=f"a task that {source.what}, {kind}, has: classification or regression",
            found=f"data.task = {spec.task}",
            do="leave the task away, or name the column of text (--data.text.column)",
        )
    usual = TextSpec()
    given = {field.name: getattr(spec.text, field.name) for field in dataclasses.fields(usual)}
    given = {name: value for name, value in given.items() if value != getattr(usual, name)}
    if given:
        raise ConfigurationError(
            expected=f"no options of texts for {source.what}, {kind}",
            found=", ".join(f"data.text.{name} = {value!r}" for name, value in given.items()),
            do="leave them away, or give a text"
            + ("" if "column" in given or kind == "images" else "; of a table name its column (--data.text.column)"),
        )
    if spec.test_fraction == 0 and "test" not in (source.given or ()):
        raise ConfigurationError(
            expected=f"data.test_fraction above 0 for {kind}", found="0.0", do="give data.test_fraction another value"
        )
