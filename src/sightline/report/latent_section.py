"""The page's section of a latent space: where images lie in it, and which of its numbers are used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sightline.core.run_folder import RunFolder
from sightline.report.figures.latent_map import latent_map
from sightline.report.figures.latent_use import latent_use
from sightline.report.read import Evaluation, reading
from sightline.report.vega import Spec

MAP = "readings/latent-map.json"


@dataclass(frozen=True)
class LatentSpace:
    """Both charts by their ids, and the words beside them.

    Args:
        charts: "latent-map" and "latent-use", as far as there is something to draw.
        map_caption: how to read the first.
        use_caption: how to read the second.
    """

    charts: Mapping[str, Spec] = field(default_factory=dict)
    map_caption: str = ""
    use_caption: str = ""


def latent_space(folder: RunFolder, shown: Evaluation | None) -> LatentSpace:
    """What the run left about its latent space; nothing where it has none.

    Args:
        folder: the run.
        shown: the evaluation whose details are shown.

    Raises:
        RunFolderError: when a file is not what a run writes; it names the file.
    """
    charts: dict[str, Spec] = {}
    map_caption = use_caption = ""
    if folder.has(MAP):
        with reading(folder, MAP):
            plain = folder.read(MAP)
            points = [(float(x), float(y)) for x, y in plain["points"]]
            labels = None if plain["labels"] is None else [int(label) for label in plain["labels"]]
            first, second = (float(share) for share in plain["explained"])
            charts["latent-map"] = latent_map(points, [str(c) for c in plain["classes"]], labels, (first, second))
            map_caption = (
                f"Codes of {len(points):,} {plain['split']} images in the plane of two principal components, which"
                f" hold {100 * (first + second):.0f} % of the variance"
                + ("; colours tell their classes." if labels is not None else ".")
            )
    use = _use(shown)
    if shown is not None and use:
        with reading(folder, f"readings/evaluation-{shown.split}.json"):
            active = [bool(one) for one in use["active"]]
            charts["latent-use"] = latent_use(use["divergence"], use["standard_error"], active, use["unit"])
            use_caption = (
                f"What each number of the latent vector tells of an image: {sum(active)} of {len(active)} are used,"
                " their posterior mean varies over images"
                + ("." if all(active) else "; the grey ones follow N(0, 1) whatever the image.")
            )
    return LatentSpace(charts, map_caption, use_caption)


def _use(shown: Evaluation | None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = {} if shown is None else shown.details.get("latent_use", {})
    return found
