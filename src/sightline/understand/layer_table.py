"""A network layer by layer: shapes, parameters, multiply-adds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from sightline.core.errors import InputError
from sightline.understand.module_names import evaluating, example, first_tensor, watched
from sightline.understand.multiply_adds import Counting


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Attributes:
        name: as in ``named_modules``; "" is the network itself.
        kind: the module's class.
        shape: of its output for one example, without the batch; none for a layer that evaluation does not use.
        parameters: of its own, not its parts'; 0 for those that a row above has counted.
        multiply_adds: of one example's forward pass, in this module and none of its parts.
        bytes: of its output for one example, over all its uses.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    bytes: int


@dataclass(frozen=True)
class LayerTable:
    """Rows in order of first use, then the layers with parameters that were not used.

    ``str()`` is the table with a line of totals.
    """

    input_shape: tuple[int, ...]
    rows: tuple[LayerRow, ...]

    @property
    def parameters(self) -> int:
        """All of the network's, shared ones once."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Of one example's forward pass in evaluation."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Of the outputs of all rows for one example: about what training keeps for the backward pass."""
        return sum(row.bytes for row in self.rows)

    def __str__(self) -> str:
        """Columns aligned, numbers to the right."""
        cells = [("layer", "type", "output", "parameters", "multiply-adds")]
        cells += [
            (row.name or "(network)", row.kind, shape_text(row.shape), f"{row.parameters:,}", f"{row.multiply_adds:,}")
            for row in self.rows
        ]
        cells.append(("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))
        return aligned(cells, left=3)


def shape_text(shape: Sequence[int] | None) -> str:
    """As people write it.

    Example:
        >>> shape_text((3, 32, 32)), shape_text(None)
        ('3 × 32 × 32', 'not used')
    """
    return "not used" if shape is None else " × ".join(map(str, shape))


def aligned(cells: Sequence[Sequence[str]], *, left: int) -> str:
    """Lines of equal columns: the first ones to the left, the others to the right, two spaces between.

    Example:
        >>> print(aligned([("layer", "n"), ("a", "10")], left=1))
        layer   n
        a      10
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        words = [
            f"{cell:<{width}}" if place < left else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)


@dataclass
class _Use:
    kind: str
    shape: tuple[int, ...] | None = None
    bytes: int = 0
    multiply_adds: int = 0
    parts: bool = field(default=False)


def layer_table(
    model: nn.Module, input_shape: Sequence[int], *, forward: Callable[[], object] | None = None
) -> LayerTable:
    """Shapes, parameters and multiply-adds of every layer, by one pass over an input of zeros in evaluation mode.

    Rows are the modules without parts, and those with parameters or products of their own. Counted are
        convolution            outputs · k₁k₂ · in_channels/groups
        transposed             inputs · k₁k₂ · out_channels/groups
        matrix product         n·k·m for [n, k] by [k, m]; linear layers and attention are made of these
    and nothing else: biases, normalisation, pooling and activations are few beside them. Twice the number is
    about the floating-point operations.

    Args:
        model: any module.
        input_shape: of one example.
        forward: a pass over one example, for a network that takes anything but one tensor of such numbers.

    Raises:
        InputError: for a shape that is none.

    Lecture: N2, N5

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
        >>> print(layer_table(network, (3, 8, 8)))
        layer  type     output     parameters  multiply-adds
        0      Conv2d   4 × 6 × 6         112          3,888
        1      ReLU     4 × 6 × 6           0              0
        2      Flatten  144                 0              0
        3      Linear   10              1,450          1,440
        total                           1,562          5,328
    """
    shape = tuple(input_shape)
    if not shape or any(n < 1 for n in shape):
        raise InputError(
            expected="the shape of one example, such as (3, 32, 32)", found=f"{shape}", do="leave the batch out"
        )
    modules = dict(model.named_modules())
    uses: dict[str, _Use] = {}

    def use(name: str) -> _Use:
        return uses.setdefault(name, _Use(type(modules[name]).__name__))

    def note(name: str, module: nn.Module, output: Any) -> None:
        one, values = use(name), first_tensor(output)
        if values is not None:
            one.shape = tuple(values.shape[1:])
            one.bytes += values.numel() * values.element_size()

    with evaluating(model), watched(model, note) as names:

        def tell(done: int) -> None:
            use(names.current).multiply_adds += done

        with Counting(tell):
            _ = model(example(model, shape)) if forward is None else forward()
    for name in modules:
        use(name)
    counted: set[int] = set()
    rows = []
    for name, one in uses.items():
        own = {id(p): p.numel() for p in modules[name].parameters(recurse=False) if id(p) not in counted}
        counted |= own.keys()
        is_part = not any(modules[name].children())
        if (is_part and one.shape is not None) or own or one.multiply_adds:
            rows.append(LayerRow(name, one.kind, one.shape, sum(own.values()), one.multiply_adds, one.bytes))
    return LayerTable(shape, tuple(rows))
