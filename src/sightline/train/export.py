"""Export: a run's network as one file that works without Sightline, checked on real inputs before it is kept."""

import hashlib
from copy import deepcopy
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, near
from sightline.core.files import not_writable, to_json
from sightline.core.run_folder import RunFolder
from sightline.core.write_together import write_together
from sightline.data import Schema, Split
from sightline.data.standardise import Standardiser
from sightline.models.early_exits import EarlyExits
from sightline.train.export_format import FORMATS, ExportFormat, Runner, trace

TOLERANCE = 1e-4
"""Largest difference between exported and own outputs, in units of the largest own output."""

BATCHES = (1, 37)
"""Sizes of the batches the exported program is checked on: it must take any."""


@dataclass(frozen=True)
class Export:
    """A file that was written, and how well it agrees with the network.

    Args:
        path: the program.
        description: the JSON file beside it: input, outputs, classes, versions.
        format: "onnx" or "torch".
        bytes: size of the program.
        largest_difference: between its outputs and the network's, in units of the largest output (of a
            number: of the largest deviation from the training mean).
        examples: test examples that this was measured on.
    """

    path: Path
    description: Path
    format: str
    bytes: int
    largest_difference: float
    examples: int

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.format}, {self.bytes:,} bytes\n"
            f"  on {self.examples} test examples its outputs differ from the network's by at most "
            f"{self.largest_difference:.1e} of the largest\n"
            f"  {self.description} says what goes in and what comes out"
        )


class DeployedModel(nn.Module):
    """From inputs as they are in a file to outputs as a user reads them: units(network(standardise(x))).

    Shapes:
        images (batch, channels, height, width) uint8, or rows (batch, inputs) float32, standardised
        → logits (batch, classes), or numbers (batch,) float64 in the target's own units

    Args:
        model: the network; a copy on the CPU is kept, in evaluation mode.
        schema: how images are standardised, and the target's mean and deviation.

    Lecture: E2, O10

    Example:
        >>> schema = Schema("image", "regression", (1, 1, 2), target_mean=5.0, image_mean=(0.0,), image_std=(1.0,))
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
        >>> _ = nn.init.ones_(network[1].weight)
        >>> DeployedModel(network, schema)(torch.tensor([[[[255, 51]]]], dtype=torch.uint8)).tolist()
        [6.2000...]
    """

    def __init__(self, model: nn.Module, schema: Schema) -> None:
        super().__init__()
        self.model = deepcopy(model).to("cpu", memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
        self.schema = schema
        self.standardiser = Standardiser(schema) if schema.kind == "image" else None

    def forward(self, inputs: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Logits, or values in the target's units."""
        outputs: Tensor = self.model(inputs if self.standardiser is None else self.standardiser(inputs))
        if self.schema.task == "classification":
            return outputs
        return outputs[:, 0].double() * self.schema.target_std + self.schema.target_mean


def export_model(
    model: nn.Module,
    split: Split,
    schema: Schema,
    path: Path,
    *,
    format: str = "onnx",  # noqa: A002 - the word the command line and other libraries use
    overwrite: bool = False,
    make_folder: bool = False,
    origin: str = "",
) -> Export:
    """Write a network as one file with any batch size, and a JSON file beside it that describes it.

    The input is named "images" (raw pixels, uint8: standardisation is part of the program) or "rows" (a table's
    standardised inputs), the output "outputs": logits, of which the largest is the class, or the number in the
    target's own units. Both files are written only after the program, loaded again from its bytes, has given
    the network's numbers on test examples in batches of 1 and 37, to 1e-4 of the largest output; the class is
    then the same wherever it leads by more than twice that. Of a network with early exits the last exit alone
    is exported.

    Args:
        model: the network.
        split: real examples to check on; at least one.
        schema: what they are.
        path: the file, ending in ``.onnx`` or ``.pt2``.
        format: "onnx" (for onnxruntime and others) or "torch" (for ``torch.export.load``).
        overwrite: replace files that are there; where that fails, they stay.
        make_folder: make the file's folder when the program is written; else it must exist.
        origin: what the network is, for the description.

    Raises:
        ConfigurationError: for a format or path that can't be, a package that is not installed, a network that
            can't be traced or written in the format, or a program that gives other numbers.
        RunFolderError: when the files can't be written.

    Lecture: E2
    """
    form = _format_of(format)
    description = _writable(path, form, overwrite, make_folder)
    form.require()
    deployed = DeployedModel(model, schema)
    raw, standardised = _examples(split, schema, max(BATCHES))
    traced = trace(deployed, torch.zeros_like(raw[:2]))
    facts = _description(model, schema, raw, origin) | form.facts()
    with form.telling_failures():
        converted = form.convert(traced, facts["input"]["name"])
        difference = _largest_difference(form.load(form.encode(converted, facts)), deployed, raw, standardised)
    if not difference <= TOLERANCE:  # NaN too
        raise ConfigurationError(
            expected=f"an exported program that gives the network's outputs to {TOLERANCE:g} of the largest",
            found=f"a difference of {difference:.2g}; no file was kept",
            do=form.instead,
        )
    facts |= {"largest_difference": difference, "examples": min(len(split), max(BATCHES)), "batches": list(BATCHES)}
    content = form.encode(converted, facts)
    seal = {"file": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if make_folder:
        _make(path.parent)
    write_together({path: content, description: f"{to_json(facts | seal, indent=1)}\n".encode()})
    return Export(path, description, form.name, len(content), difference, facts["examples"])


def default_path(folder: RunFolder, format: str) -> Path:  # noqa: A002
    """``exports/model.onnx`` or ``exports/model.pt2`` in a run folder.

    Raises:
        ConfigurationError: for an unknown format.
    """
    return folder.path / "exports" / f"model{_format_of(format).suffix}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(folder, error) from error


def _format_of(name: str) -> ExportFormat:
    if name not in FORMATS:
        raise ConfigurationError(expected="an export format: onnx or torch", found=repr(name), do=near(name, FORMATS))
    return FORMATS[name]


def _writable(path: Path, form: ExportFormat, overwrite: bool, make_folder: bool) -> Path:
    """The path of the description beside the program; refuses paths that can't be."""
    description = path.with_name(f"{path.name}.json")
    there = next((p for p in (path, description) if p.exists()), None)
    found, do = "", ""
    if path.suffix != form.suffix:
        found, do = str(path), f"end its name in {form.suffix}, or choose the format that its name says"
    elif not make_folder and not path.parent.is_dir():
        found, do = f"no folder {path.parent}", "make that folder first, or choose another"
    elif path.is_dir():
        found, do = f"a folder at {path}", "choose another name"
    elif there is not None and not overwrite:
        found, do = f"{there}, which is there already", "choose another name, or replace it with --overwrite"
    if found:
        raise ConfigurationError(
            expected=f"a new file {form.suffix} for the format {form.name!r}, in a folder that exists",
            found=found,
            do=do,
        )
    return description


def _examples(split: Split, schema: Schema, count: int) -> tuple[Tensor, Tensor]:
    """The first test examples as they are in the file, and as the network is given them; repeated where few."""
    rows = torch.arange(count) % len(split)
    standardised = torch.cat([batch.inputs for batch in split.batches(batch_size=count, order=rows)])
    if schema.kind != "image":
        return standardised, standardised
    return torch.stack([_pixels(split, row) for row in rows.tolist()]), standardised


def _pixels(split: Split, row: int) -> Tensor:
    picture = np.array(split.picture(row))  # a copy: the picture's own memory is read-only
    return torch.from_numpy(picture[None] if picture.ndim == 2 else np.ascontiguousarray(picture.transpose(2, 0, 1)))


def _largest_difference(run: Runner, deployed: DeployedModel, raw: Tensor, standardised: Tensor) -> float:
    """Over all batches, with the network fed by the data's own standardisation, which training saw."""
    schema = deployed.schema
    number = schema.task != "classification"
    with torch.no_grad():
        expected = deployed.model(standardised).double()
    scale = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    differences = []
    for size in BATCHES:
        found = run(raw[:size]).double()
        if number:
            found = ((found - schema.target_mean) / schema.target_std).unsqueeze(1)
        if found.shape != expected[:size].shape:
            return inf
        differences.append((found - expected[:size]).abs().max() / scale)
    return torch.stack(differences).max().item()  # NaN where one of them is


def _description(model: nn.Module, schema: Schema, raw: Tensor, origin: str) -> dict[str, Any]:
    """What goes in and what comes out, in words and numbers."""
    image = schema.kind == "image"
    given = {
        "name": "images" if image else "rows",
        "shape": ["batch", *raw.shape[1:]],
        "type": "uint8" if image else "float32",
        "meaning": "raw pixels from 0 to 255, standardised inside" if image else "standardised inputs, see columns",
    }
    classes = schema.task == "classification"
    outputs = {
        "name": "outputs",
        "shape": ["batch", len(schema.classes)] if classes else ["batch"],
        "type": "float32" if classes else "float64",
        "meaning": "logits; the largest is the class" if classes else f"{schema.target}, in its own units",
    }
    if isinstance(model, EarlyExits):
        outputs["exit"] = "the last exit's; the earlier ones are left out"
    facts: dict[str, Any] = {"origin": origin, "input": given, "outputs": outputs, "classes": list(schema.classes)}
    return facts if image else facts | {"columns": [asdict(column) for column in schema.columns]}
