"""A finished or unfinished run, opened from its folder: measure it, use it, tell how it stands."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.checkpoint import find_checkpoint, load_weights
from sightline.core.config import build, from_yaml
from sightline.core.errors import CheckpointError, ConfigurationError, DataError, RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.data import Data, Schema, load_like, load_spec, read_inputs
from sightline.models import MODELS
from sightline.models.early_exits import EarlyExits
from sightline.objectives import OBJECTIVES, Objective
from sightline.objectives.image_objective import ImageObjective
from sightline.train.answers import Predictions, predictions, require_answers
from sightline.train.evaluation import Evaluation, evaluate, write_evaluation
from sightline.train.exits import measure_exits
from sightline.train.export import Export, default_path, export_model
from sightline.train.features import text_features
from sightline.train.image_views import write_image_views
from sightline.train.made_images import make_images
from sightline.train.matching import load_matching
from sightline.train.network_readings import write_network_readings
from sightline.train.spec import RunSpec

if TYPE_CHECKING:
    from sightline.data.tokenizer import Tokenizer
    from sightline.generate.image_sampling import SampledImages
    from sightline.generate.text_generation import Passage
    from sightline.train.judging import RunJudgement
    from sightline.train.sharpness_over_time import SharpnessOverTime

TOKENIZER = "tokenizer.json"
"""Where a run on text keeps its tokenizer; every checkpoint has a copy."""


class Run:
    """One run folder and what can be done with it.

    Args:
        folder: the run folder.
        model: the network, where no registry knows how to build it.
        data: the data, where they are loaded already.

    Example:
        >>> import sightline
        >>> data = sightline.load("iris")
        >>> plan = sightline.train.Plan(epochs=2)
        >>> model = sightline.models.mlp(data.schema)
        >>> path = sightline.fit(model, data, plan, name="flowers", quiet=True).folder.path
        >>> open_run(path).evaluate("validation").count
        12
    """

    def __init__(self, folder: RunFolder, model: nn.Module | None = None, data: Data | None = None) -> None:
        self.folder = folder
        self._given_model, self._given_data = model, data

    @cached_property
    def spec(self) -> RunSpec:
        """The resolved specification."""
        try:
            return from_yaml(RunSpec, self.folder.text("spec.yaml"))
        except ConfigurationError as error:
            raise RunFolderError(
                expected=f"{error.expected}, in {self.folder.path / 'spec.yaml'}",
                found=" ".join(error.found.split()),
                do="take the file from a copy of the run, or train again",
            ) from error

    @cached_property
    def schema(self) -> Schema:
        """What its examples are."""
        try:
            return Schema.from_dict(json.loads(self.folder.text("schema.json")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunFolderError(
                expected=f"the data schema in {self.folder.path / 'schema.json'}",
                found=f"a damaged file: {error}",
                do="take the file from a copy of the run, or train again",
            ) from error

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """How this run's text becomes tokens, and tokens text.

        Raises:
            ConfigurationError: for a run on images or a table.
            RunFolderError: when the file is missing or damaged.
        """
        from sightline.data.tokenizer import Tokenizer

        if self.schema.text is None:
            raise ConfigurationError(
                expected=f"a run on text in {self.folder.path}",
                found=f"one on {'images' if self.schema.kind == 'image' else 'a table'}",
                do="give a run that was trained on text",
            )
        return Tokenizer.from_json(self.folder.text(TOKENIZER))

    @cached_property
    def data(self) -> Data:
        """The data it was trained on, loaded again from the same source.

        Raises:
            DataError: when the source can't be read, or holds other data now.
        """
        data = self._given_data or load_spec(self.spec.data)
        if data.fingerprint != self.folder.read("readings/data.json").get("fingerprint"):
            raise DataError(
                expected=f"the data this run was started on: {self.spec.data.source}",
                found="other content there now: its splits and classes would not be those of the run",
                do="put the old data back; to measure on other data name them: `sightline evaluate RUN --data SOURCE`",
            )
        return data

    @cached_property
    def objective(self) -> Objective:
        """The surrogate loss and its metrics."""
        assert self.spec.objective is not None
        objective: Objective = build(self.spec.objective, OBJECTIVES, self.schema)
        return objective

    @cached_property
    def model(self) -> nn.Module:
        """The network with the best checkpoint's weights, in evaluation mode.

        Raises:
            CheckpointError: when the checkpoint is damaged or made for another model.
        """
        model = self._given_model
        if model is None:
            if self.spec.model is None:
                raise ConfigurationError(
                    expected="a run whose model is in the registry",
                    found="one made from a module in Python",
                    do="pass that module: sightline.open_run(folder, model=...)",
                )
            model = build(self.spec.model, MODELS, self.schema)
        load_best(self.folder, model)
        return model.eval()

    @property
    def checkpoint(self) -> Path:
        """The best checkpoint; the last one where no look at the validation split has come yet."""
        return best_checkpoint(self.folder)

    def evaluate(
        self, split: str = "test", *, data: str | Path | None = None, pair: str | Path | None = None
    ) -> Evaluation:
        """Measure the best checkpoint; of a network with early exits accuracy against compute too.

        Args:
            split: "train", "validation" or "test".
            data: measure on all examples of another source instead, read by this run's schema.
            pair: for a run that translates, the file (or column) with the other text of that source.

        Raises:
            SightlineError: when the data or the checkpoint can't be used.
        """
        if pair is not None and (data is None or self.schema.task != "sequence"):
            raise ConfigurationError(
                expected="a pair together with other data, of a run that writes one text from another",
                found="no other data" if data is None else f"a run for the task {self.schema.task!r}",
                do="leave the pair out" + (", or name the data it belongs to" if data is None else ""),
            )
        if data is not None:
            text: dict[str, Any] = {}
            if self.schema.text is not None:
                told = self.spec.data.text
                own = told.pair if told.pair is not None and not Path(told.pair).is_file() else None
                if self.schema.task == "sequence" and own is None and pair is None:
                    raise ConfigurationError(
                        expected=f"the other text of {data}",
                        found="no pair",
                        do="name the file with its translations: `sightline evaluate RUN --data FILE --pair FILE`",
                    )
                text = {"tokenizer": self.tokenizer, "text": told.replace(pair=own if pair is None else str(pair))}
            other = load_like(data, self.schema, target=self.spec.data.target, **text)
            return replace(self._measure(other, str(data)), notes=other.notes)
        splits = {"train": self.data.train, "validation": self.data.validation, "test": self.data.test}
        if split not in splits:
            raise DataError(expected="a split: train, validation or test", found=repr(split), do="name one of them")
        evaluation = self._measure(splits[split], split)
        if split != "train":
            write_evaluation(self.folder, evaluation, splits[split])
            if split == ("test" if len(self.data.test) else "validation"):
                write_image_views(self.folder, self.model, self.objective, splits[split], seed=self.spec.seed)
            if isinstance(self.model, EarlyExits) and self.schema.task == "classification":
                curve = measure_exits(self.model, splits[split])
                self.folder.write(f"readings/exits-{split}.json", asdict(curve))
        return evaluation

    def _measure(self, split: Any, name: str) -> Evaluation:
        return evaluate(
            self.model,
            self.objective,
            split,
            self.schema,
            name=name,
            checkpoint=self.checkpoint.name,
            seed=self.spec.seed,
            decode=self.tokenizer.decode if self.schema.text is not None else None,
        )

    def predict(self, paths: Sequence[Path | str]) -> Predictions:
        """Answer for files and folders: pictures, texts, or the rows of tables.

        Raises:
            ConfigurationError: for a run that writes text, or tells something of every token.
            DataError: when nothing there can be used, or a table does not fit the schema.
        """
        require_answers(self.objective, self.schema)
        text: dict[str, Any] = {}
        if self.schema.text is not None:
            told = self.spec.data.text
            text = {"tokenizer": self.tokenizer, "column": told.column, "documents": told.documents}
        inputs = read_inputs([Path(p) for p in paths], self.schema, **text)
        return predictions(self.model, self.objective, inputs, self.schema.classes)

    def features(
        self, texts: str | Sequence[str], *, mix: str | int = "last", pool: str = "mean"
    ) -> Float[Tensor, "texts width"]:
        """What the network's layers make of texts, one vector each; see ``sightline.train.features``.

        Args:
            texts: at least one; a single text is one.
            mix: which layers, or how many of them together.
            pool: how the tokens' vectors become one.

        Raises:
            SightlineError: for a run on other data than text, or a text that does not fit.

        Lecture: W4
        """
        given = [texts] if isinstance(texts, str) else texts
        return text_features(self.model, self.tokenizer, given, mix=mix, pool=pool)

    def generate(self, prompts: str | Sequence[str], *, max_new_tokens: int = 200, **options: Any) -> "list[Passage]":
        """Write on after prompts, or translate sources; see :func:`sightline.generate.generate_text`.

        Args:
            prompts: texts; a single one is one prompt.
            max_new_tokens: most new tokens of each.
            options: those of ``generate_text``: ``method``, ``seed``, ``window``, ``stream`` and so on.

        Raises:
            SightlineError: for a run on other data than text, or what ``generate_text`` refuses.

        Lecture: X8
        """
        from sightline.generate.text_generation import generate_text

        given = [prompts] if isinstance(prompts, str) else prompts
        return generate_text(self.model, self.tokenizer, given, max_new_tokens=max_new_tokens, **options)

    def sample(self, count: int = 64, *, start: Path | str | None = None, **options: Any) -> "SampledImages":
        """Make new images; see :func:`sightline.generate.image_sampling.sample_images`.

        A run that tells classes of images makes some by ascent on its own score, a road that fails; see
        :func:`sightline.generate.classifier_ascent.climbed_images`.

        Args:
            count: images.
            start: of an ascent: a picture, or a folder of them; none: noise.
            options: ``label``, ``seed``, ``batch_size``, ``steps``; where a network makes images ``guidance``.

        Raises:
            ConfigurationError: for a run on other data than images, or what the functions named refuse.
            DataError: for a start that can't be read.

        Lecture: X1, X3, X7
        """
        return make_images(self.model, self.objective, self.schema, count, start=start, **options)

    def judge(self, by: "Run | Path | str", count: int = 2000, **options: Any) -> "RunJudgement":
        """Make images and say how good they are; see :func:`sightline.train.judging.judge_run`.

        Args:
            by: a run, or its folder, whose network tells the classes of such images.
            count: images to make.
            options: ``seed``, ``batch_size``, ``steps``, ``guidance``.

        Raises:
            SightlineError: when one of the two runs can't be used for it, or what ``judge_run`` refuses.

        Lecture: X3, X4, X6, X7
        """
        from sightline.train.judging import judge_run

        return judge_run(self, by if isinstance(by, Run) else open_run(by), count, **options)

    def read_network(self) -> None:
        """Leave cost and memory by layer, spectra of the weights and a map of test examples in the run folder.

        A run does it at its end; see :func:`sightline.train.network_readings.write_network_readings`.

        Raises:
            SightlineError: when the data or the checkpoint can't be used.

        Lecture: U2, F15
        """
        split = self.data.test if len(self.data.test) else self.data.validation
        write_network_readings(self.folder, self.model, self.objective, split, self.schema)

    def sharpness(self) -> "SharpnessOverTime":
        """Sharpness against the stability limit at every checkpoint; see ``sightline.train.sharpness_over_time``.

        Raises:
            SightlineError: when the data or a checkpoint can't be used, or two players have no common loss.

        Lecture: U3
        """
        from sightline.train.sharpness_over_time import measure_sharpness

        return measure_sharpness(self)

    def export(
        self,
        path: Path | str | None = None,
        *,
        format: str = "onnx",  # noqa: A002 - the word the command line and other libraries use
        overwrite: bool = False,
    ) -> Export:
        """Write the best checkpoint's network as one file, checked on real test examples.

        Args:
            path: the file, ending in ``.onnx`` or ``.pt2``, in a folder that exists; by default
                ``exports/model.onnx`` or ``.pt2`` in the run folder.
            format: "onnx" or "torch"; see :func:`sightline.train.export.export_model`.
            overwrite: replace files that are there.

        Raises:
            SightlineError: when the run, its data, the format or the path can't be used, or the exported
                program gives other numbers.

        Lecture: E2
        """
        if isinstance(self.objective, ImageObjective):
            raise ConfigurationError(
                expected="a run that tells a class or a number",
                found=f"one that makes images ({self.objective.name})",
                do="`sightline sample` makes some; sightline.from_pretrained(RUN/checkpoints/best) gives its network",
            )
        if self.schema.kind == "text":
            raise ConfigurationError(
                expected="a run on images or a table, whose inputs have one size",
                found="one on text",
                do="its checkpoints can be loaded as they are: sightline.from_pretrained(RUN/checkpoints/best)",
            )
        model, split, origin = self.model, self.data.test, f"run {self.folder.name}, {self.checkpoint.name}"
        file = default_path(self.folder, format) if path is None else Path(path)
        return export_model(
            model,
            split,
            self.schema,
            file,
            format=format,
            overwrite=overwrite,
            make_folder=path is None,
            origin=origin,
        )


def open_run(folder: Path | str, *, model: nn.Module | None = None) -> Run:
    """Open a run folder.

    Args:
        folder: its path.
        model: a module like the one it was trained with, where no registry knows it.

    Raises:
        RunFolderError: when it is missing or is no run folder.
    """
    return Run(RunFolder.open(folder), model)


def best_checkpoint(folder: RunFolder) -> Path:
    """The best checkpoint by validation; the last where there was no look at the validation split yet."""
    try:
        return find_checkpoint(folder, "best")
    except CheckpointError:
        return find_checkpoint(folder, "last")


def load_best(folder: RunFolder, model: nn.Module) -> None:
    """Put the best checkpoint's weights into a model.

    Raises:
        CheckpointError: when it is damaged or made for another model.
    """
    load_matching(model, load_weights(best_checkpoint(folder)))
