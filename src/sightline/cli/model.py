"""``sightline model``: a network layer by layer, before any training."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from sightline.cli.arguments import Arguments
from sightline.cli.overrides import apply_overrides, table
from sightline.core.config import Choice, Config, OneOf, Option
from sightline.core.errors import ConfigurationError, UnknownNameError, near
from sightline.core.files import to_json

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sightline.core.schema import Schema

DESCRIPTION = """\
A network layer by layer: shapes, parameters, multiply-adds, receptive field, and the standard deviation of the
outputs in the first training pass, for inputs of mean 0 and deviation 1 or for the data's own. Listed are modules:
sums and functions between them have no row, and the deviation is that of layers with weights and of activations.

models: {models}
"""

EXAMPLES = 64
"""How many examples the deviation is measured on, of a network that is not large."""

FEWEST, WORK = 8, 6e9
"""Of a large one: as many as take this many multiply-adds, but not fewer than this many examples."""


def run(words: Sequence[str]) -> int:
    """Show the network the words say."""
    words = list(words)
    wants_help = any(w in ("--help", "-h") for w in words)
    words = [w for w in words if w not in ("--help", "-h")]

    from sightline.models import MODELS

    @dataclass(frozen=True)
    class ModelSpec(Config):
        model: Annotated[Choice, OneOf(MODELS), Option("the network")]
        seed: Annotated[int, Option("decides the first weights", minimum=0)] = 0

    parser = Arguments("model", DESCRIPTION.format(models=", ".join(MODELS)))
    parser.add_argument("name", nargs="?", help="one of the models")
    parser.add_argument("--input", help="shape of one example: 3x32x32 for pictures (default), 13 for a table of 13")
    parser.add_argument("--classes", type=int, help="how many classes there are (default: 10)")
    parser.add_argument("--data", help="take shape, classes and examples from here, as `sightline train --data`")
    parser.add_argument("--target", help="the column to predict, for a table")
    parser.add_argument("--json", action="store_true", help="the numbers as JSON")
    given, rest = parser.parse_known_args(words)
    if given.name is None:
        if wants_help:
            sys.stdout.write(parser.format_help() + "\n`sightline model NAME --help` shows every option.\n")
            return 0
        raise ConfigurationError(expected="a model to show", found="none", do="name one of: " + ", ".join(MODELS))
    if given.name not in MODELS:
        later = next((word for word in rest if word in MODELS), None)
        if later is not None:
            raise ConfigurationError(
                expected="the model's name first, then its options",
                found=f"{given.name!r} before {later!r}",
                do=f"write `sightline model {later}`, and the options after it",
            )
        raise UnknownNameError(expected="the name of a model", found=repr(given.name), do=near(given.name, MODELS))
    spec = ModelSpec(model=Choice(given.name))
    if wants_help:
        sys.stdout.write(f"{parser.format_help()}\noptions of {given.name}, with their defaults:\n{table(spec)}\n")
        return 0
    spec = apply_overrides(spec, rest)
    if given.data is not None and (given.input is not None or given.classes is not None):
        raise ConfigurationError(
            expected="--data, or --input and --classes", found="both", do="leave one of the two out"
        )
    if given.target is not None and given.data is None:
        raise ConfigurationError(
            expected="--target together with --data", found=f"--target {given.target}", do="name the data too"
        )
    if given.data is not None and not given.data.strip():
        raise ConfigurationError(
            expected="the name of a data set, a file or a folder",
            found="--data ''",
            do="leave --data out for inputs of chance",
        )
    from_data = given.data is not None
    schema, examples = _from_data(given.data, given.target) if from_data else _made(given.input, given.classes)
    network = MODELS[spec.model.name](schema, seed=spec.seed, **spec.model.options)
    kind = getattr(network, "makes_images", "")
    if kind in ("denoiser", "autoregressive network"):
        raise ConfigurationError(
            expected="a network that is called with images alone",
            found=f"{given.name!r}, a {kind}: it is called with " + ("times too" if kind == "denoiser" else "levels"),
            do=f"build it in Python and print it: sightline.models.{given.name.replace('-', '_')}(schema)",
        )
    if from_data:
        network.initialise_from_data(examples)
    told = _told(network, schema.input_shape, examples)
    sys.stdout.write((to_json(told, indent=1) if given.json else _text(told)) + "\n")
    return 0


def _made(shape: str | None, classes: int | None) -> "tuple[Schema, Tensor]":
    """A schema of classes, and standard normal inputs."""
    import torch

    from sightline.core.schema import Schema

    text, count = shape or "3x32x32", 10 if classes is None else classes
    parts = text.replace("×", "x").split("x")
    sizes = tuple(int(part) for part in parts if part.isdecimal() and len(part) < 7)
    if len(sizes) != len(parts) or len(sizes) not in (1, 3) or min(sizes) < 1:
        raise ConfigurationError(
            expected="--input CHANNELSxHEIGHTxWIDTH, or one number for a table",
            found=f"--input {text}",
            do="such as 3x32x32, or 13",
        )
    if count < 2:
        raise ConfigurationError(expected="--classes of at least 2", found=f"--classes {count}", do="2 for yes or no")
    kind = "table" if len(sizes) == 1 else "image"
    schema = Schema(kind, "classification", sizes, classes=tuple(str(k) for k in range(count)))  # type: ignore[arg-type]
    return schema, torch.randn(EXAMPLES, *sizes, generator=torch.Generator().manual_seed(0))


def _from_data(source: str, target: str | None) -> "tuple[Schema, Tensor]":
    """The schema of some data, and its first training examples as a model sees them."""
    import torch

    from sightline.data import load

    data = load(source) if target is None else load(source, target=target)
    rows = torch.arange(min(len(data.train), EXAMPLES))
    batch = next(iter(data.train.batches(batch_size=len(rows), order=rows)))
    return data.schema, batch.inputs


def _told(network: "nn.Module", shape: tuple[int, ...], examples: "Tensor") -> dict[str, Any]:
    """All numbers, by layer and in total."""
    from sightline.understand.layer_table import layer_table
    from sightline.understand.receptive_field import receptive_fields
    from sightline.understand.signal import signal

    layers = layer_table(network, shape)
    fields = receptive_fields(network, shape)
    of_layer = {one.layer: one for one in fields.layers}
    count = max(FEWEST, min(len(examples), int(WORK / max(layers.multiply_adds, 1))))
    deviation = {row.name: row.variance**0.5 for row in signal(network, examples[:count], training=True).rows}
    rows = [
        {
            "layer": row.name,
            "type": row.kind,
            "output": row.shape,
            "parameters": row.parameters,
            "multiply_adds": row.multiply_adds,
            "receptive_field": of_layer[row.name].size if row.name in of_layer else None,
            "stride": of_layer[row.name].stride if row.name in of_layer else None,
            "deviation": deviation.get(row.name),
        }
        for row in layers.rows
    ]
    maps = fields.maps
    return {
        "input": shape,
        "layers": rows,
        "parameters": layers.parameters,
        "multiply_adds": layers.multiply_adds,
        "activation_bytes": layers.activation_bytes,
        "last_maps": None
        if maps is None
        else {"layer": maps.layer, "positions": maps.positions, "centre": maps.centre, "box": maps.box()},
        "outputs": {"box": fields.outputs.box()},
    }


def _text(told: dict[str, Any]) -> str:
    from sightline.understand.layer_table import aligned, shape_text

    cells = [("layer", "type", "output", "parameters", "multiply-adds", "receptive field", "stride", "deviation")]
    for row in told["layers"]:
        field, stride, deviation = row["receptive_field"], row["stride"], row["deviation"]
        cells.append(
            (
                row["layer"] or "(network)",
                row["type"],
                shape_text(row["output"]),
                f"{row['parameters']:,}",
                f"{row['multiply_adds']:,}",
                "" if field is None else shape_text(field),
                "" if stride is None or None in stride else " × ".join(f"{s:g}" for s in stride),
                "" if deviation is None else f"{deviation:.3g}",
            )
        )
    lines = [
        f"input {shape_text(told['input'])}\n",
        aligned(cells, left=3),
        "",
        f"parameters            {told['parameters']:,}",
        f"multiply-adds         {told['multiply_adds']:,} an example",
        f"activations           {told['activation_bytes'] / 2**20:,.2f} MiB at batch 1",
    ]
    if told["last_maps"]:
        maps = told["last_maps"]
        lines.append(
            f"last maps             {maps['layer']}: position {shape_text(maps['centre'])} of "
            f"{shape_text(maps['positions'])} sees {_box(maps['box'])}"
        )
    lines.append(f"outputs               see {_box(told['outputs']['box'])}")
    return "\n".join(lines)


def _box(box: Sequence[Sequence[int]] | None) -> str:
    """Ranges of positions in words."""
    if box is None:
        return "nothing"
    names = ("rows", "columns") if len(box) == 2 else ("inputs",)
    return ", ".join(f"{name} {first}-{last}" for name, (first, last) in zip(names, box, strict=True))
