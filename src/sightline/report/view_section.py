"""The page's section of what an image maker has learnt: walks, chains, reconstructions, completions."""

from dataclasses import dataclass

from sightline.core.run_folder import RunFolder
from sightline.report.embedded_picture import EmbeddedPicture
from sightline.report.image_section import kept_picture
from sightline.report.read import reading

VIEWS = "readings/image-views.json"


@dataclass(frozen=True)
class ShownView:
    """One picture with its words.

    Args:
        name: short, of letters and hyphens.
        title: what it shows.
        caption: how to read it.
        picture: as the page holds it.
    """

    name: str
    title: str
    caption: str
    picture: EmbeddedPicture


def shown_views(folder: RunFolder) -> list[ShownView]:
    """The views that the run left, in their order; none where there are none. One whose picture is gone is left out.

    Raises:
        RunFolderError: when the record or a picture is not what a run writes; it names the file.
    """
    if not folder.has(VIEWS):
        return []
    with reading(folder, VIEWS):
        rows = [tuple(str(row[key]) for key in ("name", "title", "caption", "file")) for row in folder.read(VIEWS)]
    return [
        ShownView(name, title, caption, kept_picture(folder, file, VIEWS))
        for name, title, caption, file in rows
        if (folder.path / file).is_file()
    ]
