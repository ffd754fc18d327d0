"""``sightline list``: the names there are, with a line on each."""

import sys
from collections.abc import Sequence
from typing import Any

from sightline.cli.arguments import Arguments
from sightline.core.files import to_json
from sightline.core.registry import Registry


def run(words: Sequence[str]) -> int:
    """List as the words say."""
    kinds = ("recipes", "models", "data", "objectives", "optimizers", "schedules", "topics", "causes")
    parser = Arguments("list", "The names that can be used, with a line on each.")
    parser.add_argument("kind", nargs="?", choices=kinds, help="which kind (default: all)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(words)

    from sightline.data import DATASETS
    from sightline.diagnose import CAUSES
    from sightline.explain import EXPLANATIONS
    from sightline.models import MODELS
    from sightline.objectives import OBJECTIVES
    from sightline.optim import OPTIMIZERS, SCHEDULES
    from sightline.recipes import RECIPES

    registries: dict[str, Registry[Any]] = {
        "recipes": RECIPES,
        "models": MODELS,
        "data": DATASETS,
        "objectives": OBJECTIVES,
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
        "topics": EXPLANATIONS,
    }
    listing = {kind: {name: r.summary(name) for name in r} for kind, r in registries.items()} | {"causes": CAUSES}
    listing = {kind: listing[kind] for kind in kinds if given.kind in (None, kind)}
    if given.json:
        sys.stdout.write(to_json(listing, indent=1) + "\n")
        return 0
    for kind, entries in listing.items():
        if len(listing) > 1:
            sys.stdout.write(f"{kind}\n")
        width = max(map(len, entries), default=0)
        for name, summary in entries.items():
            sys.stdout.write(f"  {name:<{width}}  {summary}\n")
        if len(listing) > 1:
            sys.stdout.write("\n")
    return 0
