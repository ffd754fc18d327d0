"""Images written as a data set: a folder of PNG files, with a folder for each class where they have classes."""

import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.files import not_writable
from sightline.data.image_folder import SPLIT_FOLDERS
from sightline.data.pixels import to_picture

FORBIDDEN = frozenset('/\\:*?"<>|\0')
"""Letters that no folder's name may have on one system or another."""


def write_image_folder(
    folder: Path | str,
    pixels: Float[Tensor, "count channels height width"],
    *,
    labels: Int[Tensor, " count"] | None = None,
    classes: Sequence[str] = (),
) -> Counter[str]:
    """Write ``folder/000001.png``, or ``folder/<class>/000001.png``, so that the folder can be loaded as data.

    All of it is written or nothing. Values become 8-bit levels, round(255 x).

    Args:
        folder: a new one, or one without anything in it.
        pixels: values in [0, 1], of one or three channels.
        labels: number of each image's class; none: they have none.
        classes: names of the classes in the order of their numbers.

    Returns:
        How many images there are of each class, by name; all under "" where they have none.

    Raises:
        ConfigurationError: for a folder that holds something, or class names that can't name folders of classes.
        InputError: for no image, another number of channels, values that are not finite, or labels that do not fit.
        RunFolderError: when it can't be written.

    Lecture: X7

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "made"
        >>> write_image_folder(place, torch.rand(3, 1, 8, 8), labels=torch.tensor([1, 0, 1]), classes=("cat", "dog"))
        Counter({'dog': 2, 'cat': 1})
        >>> sorted(str(p.relative_to(place)) for p in place.rglob("*.png"))
        ['cat/000001.png', 'dog/000001.png', 'dog/000002.png']
    """
    folder = Path(folder)
    require_new_folder(folder)
    if labels is not None:
        require_folder_names(classes)
    _require_images(pixels, labels, len(classes))
    names = [""] * len(pixels) if labels is None else [classes[label] for label in labels.tolist()]
    if labels is not None:
        require_folder_names(sorted(set(names)))  # those that get a folder: splits' names alone would be read as splits
    counts: Counter[str] = Counter()
    aside = folder.absolute().with_name(f".{folder.absolute().name}.{secrets.token_hex(4)}.part")
    try:
        for levels, name in zip((pixels.clamp(0, 1) * 255).round().to(torch.uint8), names, strict=True):
            counts[name] += 1
            if counts[name] == 1:
                (aside / name).mkdir(parents=True)
            content = BytesIO()
            to_picture(levels).save(content, "PNG")
            (aside / name / f"{counts[name]:06d}.png").write_bytes(content.getvalue())
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        raise not_writable(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)  # what was half written; nothing is there after the renaming
    return counts


def require_new_folder(folder: Path) -> None:
    """Refuse a folder that holds something already.

    Raises:
        ConfigurationError: for that, or a file of that name.
    """
    if folder.exists() and not (folder.is_dir() and next(folder.iterdir(), None) is None):
        raise ConfigurationError(
            expected=f"a new folder {folder}, or an empty one",
            found="a file" if not folder.is_dir() else "one that holds something",
            do="choose another, or take away what is there",
        )


def require_folder_names(classes: Sequence[str]) -> None:
    """Refuse class names that folders can't have, that would be read as the names of splits, or that two share.

    Raises:
        ConfigurationError: naming the first.

    Example:
        >>> require_folder_names(["cat", "a dog"])
    """
    wrong = [c for c in classes if not c or c[0] == "." or c != c.strip() or FORBIDDEN & set(c)]
    if not wrong and classes and all(c.lower() in SPLIT_FOLDERS for c in classes):
        wrong = list(classes)
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise ConfigurationError(
            expected="a name of its own for each class, as each gets a folder",
            found=f"{twice[0]!r} twice",
            do="give each class a name of its own",
        )
    if wrong:
        raise ConfigurationError(
            expected="class names that folders of classes can have",
            found=repr(wrong[0]),
            do="sample without a folder: the tensor has the classes by number",
        )


def _require_images(pixels: Tensor, labels: Tensor | None, classes: int) -> None:
    if pixels.dim() != 4 or not len(pixels) or pixels.shape[1] not in (1, 3):
        raise InputError(
            expected="at least one image of 1 or 3 channels, (count, channels, height, width)",
            found=f"shape {tuple(pixels.shape)}",
            do="sample some first",
        )
    if not bool(torch.isfinite(pixels).all()):
        raise InputError(
            expected="finite pixel values", found="NaN or infinite ones", do="look at the network that made them"
        )
    if labels is None:
        return
    numbers = labels.tolist()
    if labels.shape != pixels.shape[:1] or not all(number in range(classes) for number in numbers):
        raise InputError(
            expected=f"a label for each of {len(pixels)} images, of {classes} classes counted from 0",
            found=f"{labels.numel()} labels: {numbers}"[:80],
            do="give the names of all classes, in the order of their numbers",
        )
