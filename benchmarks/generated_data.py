"""What generated images are worth to a classifier: beside real ones, and in their place.

    python benchmarks/generated_data.py [--data digits] [--generator runs/x] [--classifier lenet] [--per-class 10 100]
                                        [--generated 100] [--seeds 3] [--steps 300] [--own] [--keep FOLDER]

A classifier is trained on (a) k real images a class, (b) the same and generated ones, (c) generated ones alone, and
tested on the real test images, which neither it nor the generator has seen. All are trained for the same number of
updates, with the same settings; mean and spread (standard deviation) are over seeds, which draw the k images, the
generated ones and the classifier's first weights.

The generator has seen the whole training split. So (b) tells what a few images of one's own gain from a generator
that somebody has trained on many, and (c) what a generator can hand on in place of images that may not be handed on
themselves. With --own, (d) is (b) with a generator of its own trained on the same k images alone: what generation
gains where there is nothing more to learn from.

--generator names the folder of a finished run whose network makes images by class, trained on the same data. Without
it a small conditional variational autoencoder is trained, and its time is told.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import sightline
from sightline.core.config import Choice
from sightline.data import Data, Split, write_image_folder
from sightline.recipes import starting_point
from sightline.train import Plan, Run, open_run, train

SMALLEST = 12
"""Pixels a side that LeNet needs."""


@dataclass(frozen=True)
class Trial:
    """What every training of one call has in common.

    Args:
        place: where folders of images and runs go.
        data: the real ones.
        classifier: name of the network that is tested.
        generated: images a class that a generator makes.
        steps: updates of a classifier.
    """

    place: Path
    data: Data
    classifier: str
    generated: int
    steps: int

    def write(self, name: str, split: Split, rows: torch.Tensor) -> Path:
        """Some images of a split as a folder of classes."""
        pictures = [split.picture(row) for row in rows.tolist()]
        pixels = torch.stack([_as_tensor(np.asarray(picture)) for picture in pictures])
        write_image_folder(self.place / name, pixels, labels=split.target[rows], classes=self.data.schema.classes)
        return self.place / name

    def real(self, count: int, seed: int) -> Path:
        """``count`` training images of each class, drawn under a seed, and the real test images beside them."""
        chance = torch.Generator().manual_seed(seed)
        target = self.data.train.target
        rows = [torch.nonzero(target == c).flatten() for c in range(len(self.data.schema.classes))]
        drawn = torch.cat([r[torch.randperm(len(r), generator=chance)[:count]] for r in rows])
        root = self.place / f"real-{count}-{seed}"
        self.write(f"{root.name}/train", self.data.train, drawn)
        self.with_test(root)
        return root

    def with_test(self, root: Path) -> None:
        """Let a folder have the real test images."""
        test = self.place / "test"
        if not test.exists():
            self.write("test", self.data.test, torch.arange(len(self.data.test)))
        (root / "test").symlink_to(test.resolve(), target_is_directory=True)

    def made(self, generator: Run, name: str, seed: int) -> Path:
        """Images of every class by a generator, as training data, with the real test images beside them."""
        classes = self.data.schema.classes
        images = generator.sample(self.generated * len(classes), seed=seed)
        assert images.labels is not None
        root = self.place / f"{name}-{seed}"
        write_image_folder(root / "train", images.pixels, labels=images.labels, classes=generator.schema.classes)
        self.with_test(root)
        return root

    def accuracy(self, name: str, source: Path, extra: Path | None, seed: int) -> float:
        """On the real test images, of a classifier trained on a folder, and on another's training images beside it."""
        spec = starting_point(self.classifier, str(source))
        spec = spec.replace(
            data=spec.data.replace(extra=None if extra is None else str(extra)),
            plan=Plan(steps=self.steps, batch_size=64),
            seed=seed,
        )
        run = train(spec, runs=self.place / "runs", name=name, quiet=True)
        figure = run.folder.read("readings/evaluation-test.json")["metrics"]["accuracy"]["value"]
        return 100 * float(figure)

    def train_generator(self, name: str, source: str, seed: int, updates: int) -> Run:
        """A small conditional variational autoencoder."""
        spec = starting_point("vae", source)
        spec = spec.replace(
            model=Choice("vae", {"latent": 16, "hidden": (256, 256), "conditional": True}),
            plan=spec.plan.replace(steps=updates, batch_size=64),
            seed=seed,
        )
        return train(spec, runs=self.place / "runs", name=name, quiet=True)


def _as_tensor(levels: np.ndarray) -> torch.Tensor:
    """(channels, height, width) in [0, 1]."""
    pixels = torch.from_numpy(levels.copy()).float() / 255
    return pixels[None] if pixels.dim() == 2 else pixels.permute(2, 0, 1)


def told(values: Sequence[float]) -> str:
    """Mean and spread."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):6.2f} ± {spread:.2f}"


def experiment(trial: Trial, generator: Run, counts: Sequence[int], seeds: int, own: int) -> list[tuple[str, str, str]]:
    """The rows of the table: what was trained on, how many images, accuracy."""
    classes = len(trial.data.schema.classes)
    found: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}

    def note(name: str, size: int, accuracy: float) -> None:
        found.setdefault(name, []).append(accuracy)
        sizes[name] = size

    for seed in range(seeds):
        made = trial.made(generator, "generated", seed)
        extra = made / "train"
        for k in counts:
            real = trial.real(k, seed)
            note(f"(a) {k} real a class", k * classes, trial.accuracy(f"a-{k}-{seed}", real, None, seed))
            both = (k + trial.generated) * classes
            note(f"(b) {k} real a class, generated", both, trial.accuracy(f"b-{k}-{seed}", real, extra, seed))
            if own:
                few = trial.train_generator(f"generator-{k}-{seed}", str(real), seed, own)
                more = trial.made(few, f"own-{k}", seed) / "train"
                accuracy = trial.accuracy(f"d-{k}-{seed}", real, more, seed)
                note(f"(d) {k} real a class, generated from these", both, accuracy)
        note("(c) generated alone", trial.generated * classes, trial.accuracy(f"c-{seed}", made, None, seed))
    return [(name, f"{sizes[name]:,}", told(values)) for name, values in found.items()]


def main() -> None:
    """Run the experiment and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", default="digits", help="images with classes")
    parser.add_argument(
        "--generator", type=Path, help="a finished run that makes images by class; none: one is trained"
    )
    parser.add_argument("--classifier", help="none: lenet, or mlp for images that are too small for it")
    parser.add_argument("--per-class", type=int, nargs="+", default=[10, 100], help="k, real images a class")
    parser.add_argument("--generated", type=int, default=100, help="generated images a class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300, help="updates of a classifier")
    parser.add_argument("--generator-steps", type=int, default=1500, help="updates of a generator trained here")
    parser.add_argument("--own", action="store_true", help="also a generator of the k images alone, (d)")
    parser.add_argument("--keep", type=Path, help="a new folder to keep images and runs in; none: they are deleted")
    given = parser.parse_args()
    data = sightline.load(given.data)
    classifier = given.classifier or ("lenet" if min(data.schema.input_shape[1:]) >= SMALLEST else "mlp")
    with tempfile.TemporaryDirectory() as aside:
        place = given.keep or Path(aside)
        trial = Trial(place, data, classifier, given.generated, given.steps)
        began = time.perf_counter()
        if given.generator is not None:
            generator = open_run(given.generator)
            about = f"generator: {given.generator}"
        else:
            generator = trial.train_generator("generator", given.data, 0, given.generator_steps)
            about = f"generator: a conditional VAE, trained here in {time.perf_counter() - began:,.0f} s"
        if set(generator.schema.classes) != set(data.schema.classes):
            parser.error(f"the generator's classes are {generator.schema.classes}, the data's {data.schema.classes}")
        rows = experiment(trial, generator, given.per_class, given.seeds, given.generator_steps * given.own)
    print(f"{data.found.what}\n{about}; trained on {generator.spec.data.source}")
    tests = f"{len(data.test):,} real test images"
    print(f"{classifier}, {given.steps:,} updates of 64 each time, {given.seeds} seeds; {tests}")
    print(f"  {'trained on':<44}{'images':>8}   accuracy, %")
    for name, size, accuracy in rows:
        print(f"  {name:<44}{size:>8}   {accuracy}")


if __name__ == "__main__":
    main()
