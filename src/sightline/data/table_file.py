"""CSV and Parquet files as Arrow tables; every fault is an error that names the file."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from sightline.core.errors import DataError
from sightline.data.cache import cache_folder
from sightline.data.duplicates import fingerprint
from sightline.data.pictures import file_identity, unreadable
from sightline.data.text_file import read_plain, to_text

NUMBER = r"^[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?$"
"""A number with or without a decimal comma."""

ARROW_FILE = b"ARROW1"
"""How an Arrow file begins; a stream begins otherwise."""

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def read_csv(path: Path, text: Sequence[str] = ()) -> tuple[pa.Table, tuple[str, ...]]:
    """A CSV file with a header; commas, semicolons or tabs; may be packed with gzip.

    Where semicolons or tabs separate, a column of numbers with a decimal comma is read as numbers.

    Args:
        path: of the file.
        text: columns to read as text even where all values look like numbers.

    Returns:
        the table, and what the account should say of the reading.

    Raises:
        DataError: when it is empty, no UTF-8, or its lines do not fit its header.
    """
    content = to_text(read_plain(path), path)
    if not content.strip():
        raise DataError(expected=f"a table in {path}", found="an empty file", do="check that it is the right file")
    plain = content.encode()
    delimiter = separator(content)
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(plain),
            # one block, so that a column's type is decided from all of its values
            read_options=pa.csv.ReadOptions(block_size=min(len(plain) + 1, 2**30), use_threads=False),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                strings_can_be_null=True, column_types=dict.fromkeys(text, pa.string())
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            expected=f"a table with a header in {path}, each line of as many values",
            found=_one_line(error),
            do="mend the line, or put values that hold the separator into quotes",
        ) from error
    return (table, ()) if delimiter == "," else _read_decimal_commas(table, text)


def _read_decimal_commas(table: pa.Table, text: Sequence[str]) -> tuple[pa.Table, tuple[str, ...]]:
    """Columns whose values are all numbers, some with a decimal comma, turned into numbers."""
    commas = []
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if name in text or not pa.types.is_string(column.type):
            continue
        all_numbers = pc.all(pc.match_substring_regex(column, NUMBER)).as_py()
        if not (all_numbers and pc.any(pc.match_substring(column, ",")).as_py()):
            continue
        values = pc.replace_substring(column, ",", ".").cast(pa.float64())
        table = table.set_column(place, name, values)
        commas.append(name)
    if not commas:
        return table, ()
    return table, (f"decimal commas: 1,5 is read as one and a half in {', '.join(commas)}",)


def separator(text: str) -> str:
    """Comma, semicolon or tab: whichever the header has most of.

    Example:
        >>> separator("a;b;c,d")
        ';'
    """
    header = text.lstrip("\r\n").partition("\n")[0]
    unquoted = "".join(header.split('"')[::2])
    return max(",;\t", key=unquoted.count)


def read_parquet(path: Path) -> pa.Table:
    """A Parquet file.

    Raises:
        DataError: when it can't be read.
    """
    with _open_parquet(path) as file:
        return file.read()


def unpack_parquet(path: Path) -> Path:
    """The Arrow file of a Parquet file too large for memory: unpacked once into the cache folder.

    Raises:
        DataError: when it can't be read, or the cache folder can't hold it.
    """
    folder = cache_folder()
    final = folder / f"table-{fingerprint(file_identity(path).encode(errors='surrogatepass'))}.arrow"
    aside = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    if not final.exists():
        with _open_parquet(path) as file:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, file.schema_arrow) as writer:
                    for batch in file.iter_batches(batch_size=1024):
                        writer.write_batch(batch)
                aside.replace(final)
            except OSError as error:
                aside.unlink(missing_ok=True)
                raise DataError(
                    expected=f"room in {folder} for {path}, which is too large for memory",
                    found=error.strerror or str(error),
                    do="free some space, set SIGHTLINE_CACHE to another folder, or raise memory_gib",
                ) from error
    return final


def map_arrow(path: Path) -> pa.Table:
    """An Arrow file or stream, memory-mapped.

    Raises:
        DataError: when it can't be read.
    """
    try:
        mapped = pa.memory_map(str(path))
        is_file = mapped.read(len(ARROW_FILE)) == ARROW_FILE
        mapped.seek(0)
        return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(mapped).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            expected=f"a whole Arrow file at {path}", found=_one_line(error), do="delete it, it is made anew"
        ) from error


def unpacked_bytes(path: Path) -> int:
    """Size of a Parquet file's columns once unpacked.

    Raises:
        DataError: when it can't be read.
    """
    with _open_parquet(path) as file:
        groups = file.metadata.num_row_groups
        return sum(int(file.metadata.row_group(i).total_byte_size) for i in range(groups))


@contextmanager
def _open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    if not path.is_file():
        raise unreadable(path, FileNotFoundError("no such file"))
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            expected=f"a whole Parquet file at {path}", found=_one_line(error), do="fetch the file again"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
