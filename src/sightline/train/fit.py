"""Train: from a specification or from parts made in Python, in a new run folder or on from a checkpoint."""

import json
import traceback
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning_fabric import Fabric
from torch import nn

from sightline.core.checkpoint import find_checkpoint, forget_after, list_checkpoints, load_state, load_weights
from sightline.core.config import Choice, Config, build, choice_of, resolve, to_yaml
from sightline.core.environment import describe_environment
from sightline.core.errors import ConfigurationError, NonFiniteLossError, RunFolderError, SightlineError
from sightline.core.progress import console
from sightline.core.run_folder import RunFolder, fresh_name
from sightline.core.seeds import Seeds
from sightline.data import DATASETS, HUB_PREFIX, Data, load_spec
from sightline.data.augment.augmenter import Augmenter, require_augmentable
from sightline.data.text_spec import TextSpec
from sightline.data.tokenise import KINDS
from sightline.models import MODELS, Predictor
from sightline.models.predictor import CLASS
from sightline.objectives import OBJECTIVES, Adversarial, ImageObjective, Objective, default_objective
from sightline.optim import OPTIMIZERS, SCHEDULES
from sightline.train.adversarial import AdversarialTraining, require_plan
from sightline.train.engine import Engine, Position, total_steps
from sightline.train.gallery import GALLERY, write_gallery
from sightline.train.image_samples import image_samples_of
from sightline.train.interruption import Interrupted, Listener, Stopper, listening
from sightline.train.matching import load_matching
from sightline.train.plan import Plan
from sightline.train.processes import accelerator_of, run_processes
from sightline.train.record import Record
from sightline.train.run import TOKENIZER, Run, best_checkpoint, load_best
from sightline.train.spec import RunSpec
from sightline.train.supervised import Supervised, require_inputs
from sightline.train.text_readings import samples_of, write_text_readings
from sightline.train.watched_run import watched_run

INITIAL = "checkpoints/initial.safetensors"
"""A given model's first weights, until the run is completed: what a run goes on from that has no checkpoint yet."""

FIRST_LOOK = 4096
"""Training examples a model's first weights may be found from."""


@dataclass(frozen=True)
class Job:
    """What every process of a run is given."""

    folder: Path
    spec: RunSpec
    model: nn.Module
    data: Data
    checkpoint: Path | None
    quiet: bool


def fit(
    model: nn.Module,
    data: Data,
    plan: Plan | None = None,
    *,
    objective: str | Choice | None = None,
    optim: str | Choice | Config = "adamw",
    schedule: str | Choice | Config = "cosine",
    seed: int = 0,
    name: str | None = None,
    runs: Path | str = "runs",
    quiet: bool = False,
) -> Run:
    """Train a model on data, into a new folder under ``runs``.

    Args:
        model: from ``sightline.models``, or any module from inputs to ``data.schema.num_outputs`` outputs.
        data: from ``sightline.load``.
        plan: how long, how much at once, on what.
        objective: name or choice; by default cross-entropy for classes, squared for numbers.
        optim: name, choice, or a specification such as ``sightline.optim.AdamW(lr=3e-4)``.
        schedule: name, choice or specification.
        seed: decides order, dropout and every other random stream but the model's first weights, which it
            has already (where they depend on the data, it finds them now): build it with the same ``seed``
            for a run that can be made again.
        name: the run folder's name; by default the data's, the model's and the time.
        runs: where run folders live.
        quiet: print nothing.

    Returns:
        The finished run: ``run.evaluate()``, ``run.predict(paths)``, ``run.folder``.

    Raises:
        SightlineError: for a mistake in the configuration or the data, a full disk, a loss gone to NaN.
        Interrupted: after SIGINT or SIGTERM, the state saved.

    Lecture: F1
    """
    choice = getattr(model, "choice", None)
    initialise_from_data(model, data)
    stem = name or f"{Path(data.source).stem}-{choice.name if choice else type(model).__name__.lower()}"
    spec = RunSpec(
        name=stem,
        data=data.spec,
        model=choice,
        objective=resolve(objective, OBJECTIVES, "objective") if objective else None,
        optim=_chosen(optim, OPTIMIZERS, "optim"),
        schedule=_chosen(schedule, SCHEDULES, "schedule"),
        plan=plan or Plan(),
        seed=seed,
    )
    return _start(spec, model, data, Path(runs), exact_name=name, quiet=quiet)


def train(spec: RunSpec, *, runs: Path | str = "runs", name: str | None = None, quiet: bool = False) -> Run:
    """Train what a specification says, into a new folder under ``runs``.

    Raises:
        SightlineError: for a mistake in the configuration or the data, a full disk, a loss gone to NaN.
        Interrupted: after SIGINT or SIGTERM, the state saved.
    """
    data = load_spec(spec.data)
    return _start(spec, None, data, Path(runs), exact_name=name, quiet=quiet)


def build_model(spec: RunSpec, data: Data) -> nn.Module:
    """The specification's model for a data set, its weights drawn from the stream "init" or found from the data.

    Raises:
        ConfigurationError: when the specification names no model.
    """
    if spec.model is None:
        raise ConfigurationError(
            expected="a run whose model is in the registry",
            found="one made from a module in Python",
            do="pass that module: sightline.resume(folder, model=...)",
        )
    with Seeds(spec.seed).scope("init"):
        model: nn.Module = build(spec.model, MODELS, data.schema)
    initialise_from_data(model, data)
    return model


def initialise_from_data(model: nn.Module, data: Data) -> None:
    """Let a model choose the first weights that depend on the data, from training examples evenly spaced."""
    if isinstance(model, Predictor) and type(model).initialise_from_data is not Predictor.initialise_from_data:
        step = -(-len(data.train) // FIRST_LOOK)
        rows = torch.arange(0, len(data.train), step)
        inputs = next(iter(data.train.batches(batch_size=len(rows), order=rows))).inputs
        model.initialise_from_data(inputs.to(next(model.parameters()).device))


def resume(folder: Path | str, *, model: nn.Module | None = None, checkpoint: str = "last", quiet: bool = False) -> Run:
    """Go on with a run that was interrupted, from its last checkpoint, to the same end bit for bit (CPU).

    Args:
        folder: the run folder.
        model: a module like the one the run was started with, where no registry knows it.
        checkpoint: "last", or the name of an earlier one.
        quiet: print nothing.

    Raises:
        SightlineError: when the folder, the checkpoint or the data are not as the run left them.
    """
    run_folder = RunFolder.open(folder)
    run = Run(run_folder, model)
    with run_folder.lock():
        run_folder.sweep()
        if checkpoint == "last" and run_folder.has("status.json") and run_folder.status()["state"] == "completed":
            load_weights(best_checkpoint(run_folder))  # a damaged one is told, not passed over
            return run
        source = None
        if checkpoint != "last" or list_checkpoints(run_folder):
            source = find_checkpoint(run_folder, checkpoint)
            load_weights(source), load_state(source)  # a damaged one is refused before anything is changed
        data = run.data
        network = model if model is not None else build_model(run.spec, data)
        if source is not None:
            forget_after(run_folder, source)
        elif run_folder.has(INITIAL):
            load_matching(network, safetensors.torch.load_file(run_folder.path / INITIAL))
        _note_changes(run_folder, quiet)
        return _train(run_folder, Job(run_folder.path, run.spec, network, data, source, quiet))


def algorithm_of(spec: RunSpec, model: nn.Module, data: Data) -> Supervised:
    """The update that a specification asks for."""
    assert spec.objective is not None
    objective: Objective = build(spec.objective, OBJECTIVES, data.schema)
    if isinstance(objective, Adversarial):
        require_plan(spec.plan)
    if isinstance(objective, ImageObjective) and getattr(model, "num_classes", None) and data.spec.augment.mixes:
        raise ConfigurationError(
            expected="images of one class each, for a network that is told it",
            found="images mixed of two (data.augment)",
            do="leave mixup and cutmix out",
        )
    players: Any = AdversarialTraining if isinstance(objective, Adversarial) else Supervised
    algorithm: Supervised = players(
        model,
        objective,
        build(spec.optim, OPTIMIZERS),
        build(spec.schedule, SCHEDULES),
        clip_norm=spec.plan.clip_norm,
        clip_value=spec.plan.clip_value,
        accumulate=spec.plan.accumulate,
        channels_last=spec.plan.channels_last,
        sharded=spec.plan.strategy == "fsdp",
        average=spec.plan.average,
    )
    return algorithm


def settle(spec: RunSpec, data: Data, model: nn.Module) -> RunSpec:
    """The specification with all that depends on data and model decided, and paths that hold from anywhere."""
    return spec.replace(
        data=spec.data.replace(
            source=_from_anywhere(spec.data.source),
            extra=_from_anywhere(spec.data.extra) if spec.data.extra is not None else None,
            text=_text_from_anywhere(spec.data.text),
        ),
        objective=spec.objective
        or default_objective(
            data.schema, getattr(model, "text_task", None), makes_images=getattr(model, "makes_images", None)
        ),
        plan=spec.plan.for_examples(len(data.train)),
    )


def _from_anywhere(source: str) -> str:
    """A local path made absolute; names of embedded sets and of the Hub's as they are."""
    prefix = HUB_PREFIX if source.startswith(HUB_PREFIX) else ""
    path = Path(source.removeprefix(prefix))
    return source if source in DATASETS or not path.exists() else f"{prefix}{path.resolve()}"


def _text_from_anywhere(text: TextSpec) -> TextSpec:
    """The same with the paths of the tokenizer and the other language's file made absolute."""
    return text.replace(
        tokenizer=text.tokenizer if text.tokenizer in KINDS else _from_anywhere(text.tokenizer),
        pair=_from_anywhere(text.pair) if text.pair is not None else None,
    )


def describe(spec: RunSpec) -> str:
    """What the first step of a specified run will do to an augmented batch, without doing it.

    Raises:
        SightlineError: for a mistake in the configuration or the data, as :func:`train` does.
    """
    data = load_spec(spec.data)
    require_augmentable(data.spec.augment, data.schema)
    model = build_model(spec, data)
    spec = settle(spec, data, model)
    algorithm = algorithm_of(spec, model, data)
    algorithm.setup(Fabric(accelerator="cpu", devices=1), total_steps(data, spec.plan))
    augment = data.spec.augment
    augmenter = Augmenter(augment, data.schema, Seeds(spec.seed)).epoch(0) if augment.active else None
    batch = next(iter(data.train.batches(batch_size=spec.plan.batch_size, augment=augmenter)))
    require_inputs(model, algorithm.objective, batch, data.schema.num_outputs)
    changes = f"augmentation  {augment.in_words()}\n" if augment.active else ""
    return changes + algorithm.describe(batch)


def _start(
    spec: RunSpec, given: nn.Module | None, data: Data, runs: Path, *, exact_name: str | None, quiet: bool
) -> Run:
    """Check everything, make the run folder, train; ``given`` is a model whose weights no seed tells."""
    require_augmentable(data.spec.augment, data.schema)
    model = given if given is not None else build_model(spec, data)
    spec = settle(spec, data, model)
    algorithm = algorithm_of(spec, model, data)
    accelerator_of(spec.plan)  # a mistake is told before a folder is made
    batch = next(iter(data.train.batches(batch_size=min(2, len(data.train)))))
    require_inputs(model, algorithm.objective, batch, data.schema.num_outputs)
    folder = RunFolder.create(runs, exact_name or fresh_name(spec.name), exact=exact_name is not None)
    with folder.lock():
        folder.set_status("running")
        folder.write("schema.json", json.dumps(data.schema.to_dict(), indent=1, ensure_ascii=False))
        folder.write("environment.json", describe_environment() | {"seed": spec.seed})
        folder.write("readings/data.json", data.found.to_dict() | {"fingerprint": data.fingerprint})
        if given is not None:
            weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in given.state_dict().items()}
            folder.write(INITIAL, safetensors.torch.save(weights))
        if data.tokenizer is not None:
            folder.write(TOKENIZER, data.tokenizer.to_json())
        folder.write("spec.yaml", to_yaml(spec))  # last: from here on the run can be resumed
        _announce(data, folder, quiet)
        return _train(folder, Job(folder.path, spec, model, data, None, quiet))


def _announce(data: Data, folder: RunFolder, quiet: bool) -> None:
    """What is trained on, what was found amiss there, and where the run is left."""
    if quiet:
        return
    console.print(f"data        {data.found.what}", markup=False)
    for name, why in data.found.left_out[:3] if data.tokenizer is not None else ():
        console.print(f"            left out: {name}: {why}", markup=False)
    listed = data.found.left_out if data.tokenizer is None else ()
    amiss = [f"{len(listed)} left out"] if listed else []
    amiss += [f"{d.count} of {d.second} stand in {d.first} too" for d in data.found.duplicates]
    if amiss:
        where = f"`sightline data {data.source}` lists them" if data.tokenizer is None else "the report lists them"
        console.print(f"            {'; '.join(amiss)}: {where}", markup=False)
    console.print(f"run         {folder.path}", markup=False)


def _note_changes(folder: RunFolder, quiet: bool) -> None:
    """Say where this machine differs from the one the run was started on: the last bits may then differ too."""
    before, now = folder.read("environment.json"), describe_environment()
    told = ("python", "packages", "processor", "threads", "accelerators")
    changed = [key for key in told if before.get(key) != now[key]]
    if changed and not quiet:
        differ = "differs" if len(changed) == 1 else "differ"
        console.print(
            f"note        {', '.join(changed)} {differ} from when the run was started: its last bits may too",
            markup=False,
        )


def _train(folder: RunFolder, job: Job) -> Run:
    """Run the processes, then measure the best checkpoint once on validation and test."""
    run = Run(folder, job.model, job.data)
    try:
        folder.set_status("running")
        if not folder.has(GALLERY):
            assert job.spec.plan.epochs is not None
            write_gallery(folder, job.data, job.spec.seed, job.spec.plan.epochs)
        place: Position = run_processes(_work, job, job.spec.plan)
        with listening(Stopper(place.step)):
            load_best(folder, job.model)
            looked = run.evaluate("validation")
            if len(job.data.test):  # a text may be split without one
                run.evaluate("test")
            worst = [mistake.index for mistake in looked.mistakes]
            write_text_readings(folder, job.model, run.objective, job.data, worst=worst, seed=job.spec.seed)
            parameters = sum(p.numel() for p in job.model.parameters())
            seconds = round(place.seconds, 3)
            folder.set_status("completed", step=place.step, epoch=place.epoch, seconds=seconds, parameters=parameters)
        (folder.path / INITIAL).unlink(missing_ok=True)
    except Interrupted as stop:
        folder.set_status("interrupted", str(stop), step=stop.step)
        stop.add_note(f"its state is saved; go on with `sightline resume {folder.path}`")
        raise
    except KeyboardInterrupt as stop:
        folder.set_status("interrupted", str(stop))
        stop.add_note(f"go on from the last checkpoint with `sightline resume {folder.path}`")
        raise
    except NonFiniteLossError as error:
        folder.set_status("failed", f"{error.found}")
        raise
    except SightlineError as error:
        _try_status(folder, error.found)
        raise
    except BaseException as error:
        _try_status(folder, "".join(traceback.format_exception_only(error)).strip())
        raise
    return run


def _try_status(folder: RunFolder, why: str) -> None:
    """Mark a run failed where its folder can still be written; if not, the first error is the one to tell."""
    with suppress(RunFolderError):
        folder.set_status("failed", why)


def _work(fabric: Fabric, listener: Listener, job: Job) -> Position:
    """One process's part of the training."""
    folder = RunFolder(job.folder)
    # tensors handed to several processes lie in memory they share: each needs weights of its own
    model = deepcopy(job.model) if fabric.world_size > 1 else job.model
    algorithm = algorithm_of(job.spec, model, job.data)
    seeds = Seeds(job.spec.seed, fabric.global_rank)
    beside = _beside_weights(model, job.data)
    # a model that is spread over processes can't be run by one of them
    alone = fabric.is_global_zero and (fabric.world_size == 1 or job.spec.plan.strategy != "fsdp")
    followers = samples_of(folder, seeds, model, job.data) if alone else []
    followers += image_samples_of(folder, seeds, model, algorithm.objective) if alone else []
    engine = Engine(algorithm, job.data, job.spec.plan, folder, seeds, fabric, listener, beside, followers)
    algorithm.setup(fabric, engine.total_steps)
    if job.checkpoint is not None:
        engine.restore(job.checkpoint)
    record = Record(folder, step=engine.position.step, speaks=fabric.is_global_zero, quiet=job.quiet)
    with watched_run(folder, model, since=engine.position.step, active=alone):
        return engine.run(record)


def _beside_weights(model: nn.Module, data: Data) -> dict[str, str]:
    """The constructor's arguments and the tokenizer, so that ``from_pretrained`` reads a checkpoint too."""
    arguments: Any = getattr(model, "_hub_mixin_config", None)
    files = {}
    if isinstance(arguments, dict):
        own = {CLASS: type(model).__name__} if isinstance(model, Predictor) else {}
        files["config.json"] = json.dumps({**arguments, **own}, indent=1)
    if data.tokenizer is not None:
        files[TOKENIZER] = data.tokenizer.to_json()
    return files


def _chosen(value: Any, registry: Any, path: str) -> Choice:
    if isinstance(value, str | Choice):
        return resolve(value, registry, path)
    return choice_of(value, registry)
