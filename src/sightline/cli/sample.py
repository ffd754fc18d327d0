"""``sightline sample``: new images from a run whose network makes some."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sightline.cli.arguments import Arguments
from sightline.cli.unfinished import tell_unfinished
from sightline.core.errors import ConfigurationError

DESCRIPTION = """\
Make new images with a run's network: a picture of them all, and the pixel values as a tensor (safetensors, values in
[0, 1], with the classes asked for). The same seed makes the same images.

A run that tells classes of images makes some by ascent on its own score; what that road lacks is said in numbers.
"""


def run(words: Sequence[str]) -> int:
    """Sample as the words say."""
    parser = Arguments("sample", DESCRIPTION)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("-n", "--count", type=int, default=64, help="images (default: 64)")
    parser.add_argument("--label", help="the class all are to be of, by name or number (default: every class in turn)")
    parser.add_argument("--steps", type=int, help="updates of a sampler that goes step by step (default: its own)")
    parser.add_argument(
        "--from", dest="start", help="for a classifier: a picture or folder to start from (default: noise)"
    )
    parser.add_argument("--guidance", type=float, help="how strongly a class steers a sampler that has guidance")
    parser.add_argument("--seed", type=int, default=0, help="of every random draw (default: 0)")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=256,
        help="images made side by side; it has a part in what chance makes (default: 256)",
    )
    parser.add_argument("--columns", type=int, help="images in a row of the picture (default: about a square)")
    parser.add_argument(
        "--out", type=Path, help="the picture's file (default: samples/sampled.png in the run, which is replaced)"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="write a PNG file an image into this new folder instead, in one folder a class where the network has"
        " classes: data for `sightline train`",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    given = parser.parse_args(words)
    if given.folder is not None and (given.out is not None or given.columns is not None or given.overwrite):
        raise ConfigurationError(
            expected="--folder, or a picture with --out, --columns and --overwrite",
            found="both",
            do="run the command twice: the same seed makes the same images",
        )
    if given.columns is not None and given.columns < 1:
        raise ConfigurationError(expected="--columns of at least 1", found=str(given.columns), do="leave it out")

    from safetensors.torch import save

    from sightline.core.files import write_whole
    from sightline.data.image_grid import as_png, image_grid
    from sightline.data.write_images import require_folder_names, require_new_folder, write_image_folder
    from sightline.train import open_run

    run = open_run(given.run)
    picture = given.out or run.folder.path / "samples" / "sampled.png"
    tensor = picture.with_suffix(".safetensors")
    if given.folder is not None:
        require_new_folder(given.folder)
        require_folder_names(run.schema.classes if getattr(run.model, "num_classes", 0) else ())
    else:
        if given.out is None:
            picture.parent.mkdir(exist_ok=True)
        _check_files(picture, tensor, given.overwrite or given.out is None)
    tell_unfinished(run.folder)
    made = run.sample(
        given.count,
        start=given.start,
        label=_label(given.label, run.schema.classes),
        seed=given.seed,
        batch_size=given.batch_size,
        steps=given.steps,
        guidance=given.guidance,
    )
    if given.folder is not None:
        counts = write_image_folder(given.folder, made.pixels, labels=made.labels, classes=run.schema.classes)
        each = ", ".join(f"{name} {count:,}" for name, count in counts.items() if name)
        sys.stdout.write(f"folder      {given.folder}: {len(made.pixels):,} images{': ' if each else ''}{each}\n")
        _tell_ascent(made)
        return 0
    tensors = {"images": made.pixels} | ({} if made.labels is None else {"labels": made.labels})
    write_whole(picture, as_png(image_grid(made.pixels, columns=given.columns)))
    write_whole(tensor, save(tensors))
    sys.stdout.write(f"picture     {picture}\ntensor      {tensor}: {tuple(made.pixels.shape)}\n")
    _tell_ascent(made)
    return 0


def _tell_ascent(made: object) -> None:
    """What is wrong with images of a classifier's ascent."""
    from sightline.generate.classifier_ascent import ClimbedImages

    if isinstance(made, ClimbedImages):
        if made.starts is not None:
            sys.stdout.write(f"start       {made.starts:,} picture{'s' * (made.starts != 1)}\n")
        for name, why in made.left_out:
            sys.stderr.write(f"left out: {name}: {why}\n")
        sys.stdout.write(f"ascent      {made}\n")


def _label(told: str | None, classes: Sequence[str]) -> int | None:
    """A class by its name, or by its number."""
    if told is None:
        return None
    if told in classes:
        return list(classes).index(told)
    if told.isdecimal() and int(told) < max(1, len(classes)):
        return int(told)
    raise ConfigurationError(
        expected="a class: " + (", ".join(classes[:10]) + (" …" if len(classes) > 10 else "") or "there is none"),
        found=f"--label {told}",
        do="name one of those" if classes else "leave it out",
    )


def _check_files(picture: Path, tensor: Path, overwrite: bool) -> None:
    """What would be lost, and what can't be written, is told before anything is made."""
    if picture.suffix.lower() != ".png":
        inside = picture / "sampled.png"
        folder = picture.is_dir()
        raise ConfigurationError(
            expected="--out ending in .png",
            found=f"{picture}, a folder" if folder else str(picture),
            do=f"name a file in it, --out {inside}, or write a file an image with --folder NEW-FOLDER"
            if folder
            else "name a PNG file",
        )
    if not picture.parent.is_dir():
        raise ConfigurationError(
            expected=f"a folder {picture.parent} for the picture",
            found="none",
            do="make it first, or choose another --out",
        )
    for file in (picture, tensor):
        if file.is_dir():
            raise ConfigurationError(expected=f"a file {file} to write", found="a folder", do="name another --out")
    if not overwrite:
        for file in (picture, tensor):
            if file.exists():
                raise ConfigurationError(
                    expected=f"no file {file} yet", found="one", do="choose another --out, or add --overwrite"
                )
