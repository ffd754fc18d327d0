"""Start the processes of a run: this one alone, or several that talk to each other."""

import logging
import math
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch.multiprocessing.spawn import ProcessException, start_processes

from sightline.core.errors import ConfigurationError, SightlineError
from sightline.train.interruption import Follower, Interrupted, Listener, listening
from sightline.train.plan import Plan

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Work = Callable[["Fabric", Listener, Any], Any]
GRACE_SECONDS = 30.0
"""How long processes may go on after one of them has failed."""
_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True)
class _Outcome:
    """What a process sends back: its result, or the error it ended with."""

    rank: int
    result: Any = None
    error: SightlineError | Interrupted | None = None


def run_processes(work: Work, job: Any, plan: Plan) -> Any:
    """Call ``work(fabric, listener, job)`` in every process of the plan; returns the first one's result.

    Raises:
        ConfigurationError: when the devices the plan asks for are not there.
        SightlineError: whatever the work raises.
    """
    from lightning_fabric import Fabric  # seconds of imports, which only a training needs

    accelerator = accelerator_of(plan)
    if plan.devices == 1:
        with listening(Listener()) as listener:
            fabric = Fabric(accelerator=accelerator, devices=1, precision=_PRECISION[plan.precision])
            return work(fabric, listener, job)
    threads = max(1, torch.get_num_threads() // plan.devices)
    queue: Any = get_context("spawn").SimpleQueue()
    with listening(Listener()) as listener:
        group: Any = start_processes(
            _process,
            args=(work, job, plan, accelerator, threads, _free_port(), queue),
            nprocs=plan.devices,
            join=False,
            start_method="spawn",
        )
        listener.processes = group.processes
        if listener.number:  # it came while they were being started
            for process in group.processes:
                process.terminate()
        try:
            outcomes, failure = _wait(group, queue)
        except BaseException:  # a second signal: no process outlives this one
            for process in group.processes:
                process.kill()
            raise
    for error in [o.error for o in outcomes if o.error is not None]:
        raise Interrupted(listener.number or error.number, error.step) if isinstance(error, Interrupted) else error
    if failure is not None:
        raise failure
    return next(o.result for o in outcomes if o.rank == 0)


def _wait(group: Any, queue: Any) -> tuple[list[_Outcome], Exception | None]:
    """What the processes sent back, and how they ended where one of them ended ill."""
    outcomes: list[_Outcome] = []
    failure = None
    running = True
    deadline = math.inf
    while running:
        if time.monotonic() > deadline:  # the others wait for one that has failed
            for process in group.processes:
                process.kill()
        try:
            running = not group.join(timeout=0.2)
        except ProcessException as error:
            failure, running = error, False
        while not queue.empty():
            outcomes.append(queue.get())
            if outcomes[-1].error is not None and deadline == math.inf:
                deadline = time.monotonic() + GRACE_SECONDS
    return outcomes, failure


def _process(
    rank: int, work: Work, job: Any, plan: Plan, accelerator: str, threads: int, port: int, queue: Any
) -> None:
    """One of several processes: join the others, work, and tell how it went."""
    from lightning_fabric import Fabric

    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        LOCAL_RANK=str(rank),
        NODE_RANK="0",
        WORLD_SIZE=str(plan.devices),
    )
    if accelerator == "cpu":
        torch.set_num_threads(threads)
    for logger in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    with listening(Follower()) as listener:
        # Fabric makes the group of processes; how they share the model is the algorithm's affair
        fabric = Fabric(
            accelerator=accelerator, devices=plan.devices, strategy="ddp", precision=_PRECISION[plan.precision]
        )
        fabric.launch()
        try:
            outcome = _Outcome(rank, result=work(fabric, listener, job))
        except (SightlineError, Interrupted) as error:
            outcome = _Outcome(rank, error=error)
        queue.put(outcome)
        torch.distributed.destroy_process_group()
        # All is written and told. Taking the libraries down in order would only risk an abort: now and then torch ends
        # a process whose threads have not joined yet ("terminate called without an active exception").
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


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
    return kind


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
