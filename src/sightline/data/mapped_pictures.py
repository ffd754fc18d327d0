"""Encoded images in Arrow files that several processes share."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sightline.data.pictures import ArrowPictures
from sightline.data.table_file import map_arrow


class MappedPictures(ArrowPictures):
    """Image bytes in memory-mapped Arrow files; sent to another process, the files are mapped there anew.

    Args:
        files: Arrow files, their rows one after the other.
        image: the column of structs with bytes.
        names: for each row the file it comes from.
        source: what changes when the images change; empty: the images' bytes themselves.

    Raises:
        DataError: when a file can't be read.
    """

    def __init__(self, files: Sequence[Path], image: str, names: Sequence[str], source: bytes) -> None:
        columns = [pc.struct_field(map_arrow(file).column(image), "bytes") for file in files]
        chunks = [chunk for column in columns for chunk in column.chunks]
        super().__init__(pa.chunked_array(chunks, columns[0].type), names, source)
        self.files, self.image = files, image

    def __reduce__(self) -> tuple[object, ...]:
        return MappedPictures, (self.files, self.image, self.names, self.source)
