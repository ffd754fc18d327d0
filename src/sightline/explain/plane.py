"""A plane of two singular directions of a problem, where paths of the optimisers can be seen."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear.momentum import momentum
from sightline.linear.momentum_forms import MomentumForm
from sightline.linear.squared_error import hessian
from sightline.linear.svd_coordinates import SVDCoordinates, svd_coordinates
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Spec

STEPS = 30
"""Steps that a path shows."""

FLATTER = 4.0
"""The second direction is the one whose singular value is nearest to the first's, divided by this."""


def plane_problem(svd: SVDCoordinates) -> SVDCoordinates:
    """The problem's steepest direction and a flatter one, as a problem of its own with its solution at 0."""
    sigma = svd.nonzero
    flat = sigma[int((sigma.log() - (sigma[0] / FLATTER).log()).abs().argmin())]
    return svd_coordinates(torch.diag(torch.stack([sigma[0], flat])), torch.zeros(2, dtype=torch.float64))


def plane_start(plane: SVDCoordinates) -> Float[Tensor, " 2"]:
    """Where paths begin: off by one along the steep direction, by more along the flat one."""
    return torch.tensor([1.0, min(1.0 + plane.condition / 4, 3.0)], dtype=torch.float64)


def plane_name(plane: SVDCoordinates) -> str:
    """The plane in words."""
    return f"the plane of σ = {number(float(plane.sigma[0]))} and σ = {number(float(plane.sigma[1]))}"


def paths_in(plane: SVDCoordinates, methods: Mapping[str, MomentumForm], steps: int = STEPS) -> Spec:
    """Contours of the loss in a plane with the path of each method, every step a dot."""
    start = plane_start(plane)
    paths = {name: momentum(plane, method, list(range(steps + 1)), start=start) for name, method in methods.items()}
    axes = ("error along the steep direction", "error along the flat direction")
    return contours_of(hessian(torch.diag(plane.sigma)), paths, axes)


def contours_of(
    curvature: Float[Tensor, "2 2"], paths: Mapping[str, Float[Tensor, "steps 2"]], axes: tuple[str, str]
) -> Spec:
    """Ellipses of equal loss around a solution at 0, with paths through them."""
    (a, b), (c, d) = curvature.tolist()
    drawn = {name: [(x, y) for x, y in path.tolist()] for name, path in paths.items()}
    return figures.contours(((a, b), (c, d)), (0.0, 0.0), drawn, axes)
