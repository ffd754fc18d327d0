"""CSV and Parquet files as Arrow tables; every fault is an error that names the file."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sightline.core.errors import DataError
from sightline.data.cache import cache_folder
from sightline.data.duplicates import fingerprint
from sightline.data.pictures import file_identity, unreadable
from sightline.data.text import read_plain, to_text

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def read_csv(path: Path) -> pa.Table:
    """A CSV file with a header; commas, semicolons or tabs; may be packed with gzip.

    Args:
        path: of the file.

    Raises:
        DataError: when it is empty, no UTF-8, or its lines do not fit its header.
    """
    text = to_text(read_plain(path), path)
    if not text.strip():
        raise DataError(expected=f"a table in {path}", found="an empty file", do="check that it is the right file")
    plain = text.encode()
    try:
        return pa.csv.read_csv(
            pa.BufferReader(plain),
            # one block, so that a column's type is decided from all of its values
            read_options=pa.csv.ReadOptions(block_size=min(len(plain) + 1, 2**30), use_threads=False),
            parse_options=pa.csv.ParseOptions(delimiter=separator(text), newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(strings_can_be_null=True),
        )
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            expected=f"a table with a header in {path}, each line of as many values",
            found=_one_line(error),
            do="mend the line, or put values that hold the separator into quotes",
        ) from error


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


def map_parquet(path: Path) -> pa.Table:
    """A Parquet file too large for memory: unpacked once into the cache folder and memory-mapped.

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
    return pa.ipc.open_file(pa.memory_map(str(final))).read_all()


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
