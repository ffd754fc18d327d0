"""A prepared training carried out: its processes, their failures told, and what is measured at its end."""

import json
import traceback
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from sightline.core.errors import NonFiniteLossError, RunFolderError, SightlineError
from sightline.core.run_folder import RunFolder
from sightline.core.seeds import Seeds
from sightline.data import Data
from sightline.models import Predictor
from sightline.models.predictor import CLASS
from sightline.train.changed_answers import changed_answers_of, write_changed
from sightline.train.engine import Engine, Position
from sightline.train.gallery import GALLERY, write_gallery
from sightline.train.image_samples import image_samples_of
from sightline.train.interruption import Interrupted, Listener, Stopper, listening
from sightline.train.preparation import algorithm_of
from sightline.train.processes import run_processes
from sightline.train.record import Record
from sightline.train.run import TOKENIZER, Run, load_best
from sightline.train.spec import RunSpec
from sightline.train.text_readings import samples_of, write_text_readings
from sightline.train.watched_run import watched_run

if TYPE_CHECKING:
    from lightning_fabric import Fabric

INITIAL = "checkpoints/initial.safetensors"
"""A given model's first weights, until the run is completed: what a run goes on from that has no checkpoint yet."""


@dataclass(frozen=True)
class Job:
    """What every process of a run is given."""

    folder: Path
    spec: RunSpec
    model: nn.Module
    data: Data
    checkpoint: Path | None
    quiet: bool


def carry_out(folder: RunFolder, job: Job) -> Run:
    """Run the processes, then measure the best checkpoint once on validation and test."""
    run = Run(folder, job.model, job.data)
    try:
        folder.set_status("running")
        if not folder.has(GALLERY):
            assert job.spec.plan.epochs is not None
            write_gallery(folder, job.data, job.spec.seed, job.spec.plan.epochs)
        place: Position = run_processes(train_in_process, job, job.spec.plan)
        with listening(Stopper(place.step)):
            load_best(folder, job.model)
            looked = run.evaluate("validation")
            if len(job.data.test):  # a text may be split without one
                run.evaluate("test")
            worst = [mistake.index for mistake in looked.mistakes]
            write_text_readings(folder, job.model, run.objective, job.data, worst=worst, seed=job.spec.seed)
            write_changed(folder, job.data.validation, job.data.schema)
            why = _read_network(run)
            parameters = sum(p.numel() for p in job.model.parameters())
            seconds = round(place.seconds, 3)
            folder.set_status(
                "completed", why, step=place.step, epoch=place.epoch, seconds=seconds, parameters=parameters
            )
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


def _read_network(run: Run) -> str:
    """Leave readings of the network; what can't be read of an unusual one, in words, instead of losing the run."""
    try:
        run.read_network()
    except RunFolderError:
        raise
    except Exception as error:  # noqa: BLE001 - a look at the network must not cost a training that went well
        return f"cost, spectra and map of the network are missing: {type(error).__name__}: {error}"
    return ""


def _try_status(folder: RunFolder, why: str) -> None:
    """Mark a run failed where its folder can still be written; if not, the first error is the one to tell."""
    with suppress(RunFolderError):
        folder.set_status("failed", why)


def train_in_process(fabric: "Fabric", listener: Listener, job: Job) -> Position:
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
    changed = changed_answers_of(folder, model, job.data, algorithm.objective) if fabric.world_size == 1 else None
    followers += [changed] if changed is not None else []
    engine = Engine(algorithm, job.data, job.spec.plan, folder, seeds, fabric, listener, beside, followers)
    algorithm.setup(fabric, engine.total_steps)
    if job.checkpoint is not None:
        engine.restore(job.checkpoint)
    record = Record(folder, step=engine.position.step, speaks=fabric.is_global_zero, quiet=job.quiet)
    hears = changed.listening() if changed is not None else nullcontext()
    with hears, watched_run(folder, model, since=engine.position.step, active=alone):
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
