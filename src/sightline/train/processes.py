"""Start the processes of a run: this one alone, or several that talk to each other."""

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch.multiprocessing.spawn import start_processes

from sightline.core.errors import ConfigurationError, SightlineError
from sightline.train.interruption import Interrupted, Listener, listening
from sightline.train.plan import Plan

Work = Callable[[Fabric, Listener, Any], Any]
_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True)
class _Outcome:
    """What a process sends back: its result, or the error it ended with."""

    result: Any = None
    error: SightlineError | Interrupted | None = None


def run_processes(work: Work, job: Any, plan: Plan) -> Any:
    """Call ``work(fabric, listener, job)`` in every process of the plan; returns the first one's result.

    Raises:
        ConfigurationError: when the devices the plan asks for are not there.
        SightlineError: whatever the work raises.
    """
    accelerator = accelerator_of(plan)
    if plan.devices == 1:
        with listening() as listener:
            fabric = Fabric(accelerator=accelerator, devices=1, precision=_PRECISION[plan.precision])
            return work(fabric, listener, job)
    queue: Any = get_context("spawn").SimpleQueue()
    with listening() as listener:
        arguments = (work, job, plan, accelerator, _free_port(), queue)
        processes: Any = start_processes(
            _process, args=arguments, nprocs=plan.devices, join=False, start_method="spawn"
        )
        while not processes.join(timeout=0.2):
            pass
        outcome: _Outcome = queue.get()
    if isinstance(outcome.error, Interrupted):
        raise Interrupted(listener.number or outcome.error.number, outcome.error.step)
    if outcome.error is not None:
        raise outcome.error
    return outcome.result


def _process(rank: int, work: Work, job: Any, plan: Plan, accelerator: str, port: int, queue: Any) -> None:
    """One of several processes: join the others, work, and let the first tell how it went."""
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        LOCAL_RANK=str(rank),
        NODE_RANK="0",
        WORLD_SIZE=str(plan.devices),
    )
    if accelerator == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // plan.devices))
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    with listening() as listener:
        strategy = "ddp" if plan.strategy == "auto" else plan.strategy
        fabric = Fabric(
            accelerator=accelerator,
            devices=plan.devices,
            strategy=strategy,
            precision=_PRECISION[plan.precision],
        )
        fabric.launch()
        try:
            outcome = _Outcome(result=work(fabric, listener, job))
        except (SightlineError, Interrupted) as error:
            outcome = _Outcome(error=error)
        if rank == 0:
            queue.put(outcome)
        torch.distributed.destroy_process_group()


def accelerator_of(plan: Plan) -> str:
    """The kind of device a plan asks for, checked against what is there.

    Raises:
        ConfigurationError: when there are too few of that kind.
    """
    kind = plan.accelerator
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind == "mps" and plan.devices > 1:
        kind = "cpu"
    if kind in there and there[kind] < plan.devices:
        raise ConfigurationError(
            expected=f"{plan.devices} {kind} device(s)",
            found=f"{there[kind]}",
            do=f"lower --plan.devices to {there[kind]}" if there[kind] else "use --plan.accelerator cpu",
        )
    if plan.strategy == "fsdp" and kind != "cuda":
        raise ConfigurationError(
            expected="CUDA devices for the strategy fsdp", found=kind, do="use --plan.strategy ddp"
        )
    return kind


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
