"""Train: from a specification or from parts made in Python, in a new run folder or on from a checkpoint."""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import nn

from sightline.core.checkpoint import find_checkpoint, forget_after, list_checkpoints, load_state, load_weights
from sightline.core.config import Choice, Config, choice_of, resolve, to_yaml
from sightline.core.environment import describe_environment
from sightline.core.progress import console
from sightline.core.run_folder import RunFolder, fresh_name
from sightline.data import Data
from sightline.data.augment.augmenter import require_augmentable
from sightline.objectives import OBJECTIVES
from sightline.optim import OPTIMIZERS, SCHEDULES
from sightline.train.carry_out import INITIAL, Job, carry_out
from sightline.train.matching import load_matching
from sightline.train.plan import Plan
from sightline.train.preparation import algorithm_of, build_model, initialise_from_data, load_for, settle
from sightline.train.processes import accelerator_of
from sightline.train.run import TOKENIZER, Run, best_checkpoint
from sightline.train.spec import RunSpec
from sightline.train.supervised import require_inputs


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
    data = load_for(spec)
    return _start(spec, None, data, Path(runs), exact_name=name, quiet=quiet)


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
        return carry_out(run_folder, Job(run_folder.path, run.spec, network, data, source, quiet))


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
        return carry_out(folder, Job(folder.path, spec, model, data, None, quiet))


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


def _chosen(value: Any, registry: Any, path: str) -> Choice:
    if isinstance(value, str | Choice):
        return resolve(value, registry, path)
    return choice_of(value, registry)
