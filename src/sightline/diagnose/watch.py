"""The watch: one line around any training loop, which runs as it would without."""

import time
import weakref
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.kinds import a_kind
from sightline.diagnose.call_site import call_site
from sightline.diagnose.causes import findings
from sightline.diagnose.enough import EnoughSeen
from sightline.diagnose.entry_facts import entry_facts
from sightline.diagnose.findings import Findings
from sightline.diagnose.function_watch import FunctionWatch, unwatched
from sightline.diagnose.input_watch import InputWatch
from sightline.diagnose.judgements import Judgements
from sightline.diagnose.loader_watch import LoaderWatch
from sightline.diagnose.long_series import add_rates
from sightline.diagnose.look_schedule import LookSchedule
from sightline.diagnose.loss_watch import LossWatch
from sightline.diagnose.module_watch import ModuleWatch
from sightline.diagnose.network_facts import groups_of, modules_of, parameters_of
from sightline.diagnose.optimizer_watch import OptimizerWatch, parameter_ids
from sightline.diagnose.probe import Probe, flows, probes
from sightline.diagnose.reading import MODAL
from sightline.diagnose.record import Backward, Entry, Look, Record, UpdateSeen
from sightline.diagnose.tape import Tape
from sightline.diagnose.targets_seen import note_right, note_targets
from sightline.diagnose.tensor_facts import tensor_facts
from sightline.diagnose.validation import validate

MOST_NETWORKS = 32
GLANCES = 8
"""Evaluations of which is seen whether they draw random numbers."""

KEPT = 64
"""Losses that are followed, to see whether the loop keeps them with their graphs."""

MOST_OTHERS = 8
"""Updates of other optimisers in a row, after which the one that counts the updates has had its day."""


class Watch:
    """Sees a training loop from outside: networks, calls of torch's functions, losses, backward passes, updates.

    The loop computes, bit for bit, what it would without: nothing is drawn from random streams, no tensor is changed,
    no hook is left on a module. Steps are looked at closely by a schedule; the others cost next to nothing.

    Args:
        model: the network, or several; none: every module with parameters that is called.
        optimizer: the optimiser, or several; none: every one that makes a step.
        schedule: of the close looks.
        validation: batches (inputs, targets); at the end the training loss is measured on at most 2,048 of their
            examples, for loops that do no validation of their own.
        stop_after: end the loop after so many updates, by raising :class:`EnoughSeen`; none: never.

    Raises:
        InputError: for what is no module or no optimiser.
        ConfigurationError: for an end after no update.

    Lecture: U7

    Example:
        >>> model = nn.Linear(2, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with Watch(model, sgd) as w:
        ...     for _ in range(3):
        ...         sgd.zero_grad()
        ...         model(torch.ones(4, 2)).square().mean().backward()
        ...         sgd.step()
        >>> w.record.steps
        3
    """

    def __init__(
        self,
        model: nn.Module | Iterable[nn.Module] | None = None,
        optimizer: Optimizer | Iterable[Optimizer] | None = None,
        *,
        schedule: LookSchedule | None = None,
        validation: Iterable[Any] | None = None,
        stop_after: int | None = None,
    ) -> None:
        if stop_after is not None and stop_after < 1:
            raise ConfigurationError(
                expected="stop_after: 1 update or more", found=str(stop_after), do="leave it out to see the whole loop"
            )
        self.record = Record()
        self._validation, self._stop_after = validation, stop_after
        self._schedule = schedule or LookSchedule()
        self._networks: list[tuple[str, nn.Module]] = []
        self._names: dict[int, str] = {}
        self._owners: dict[int, str] = {}  # of every module the network it was met in
        self._origins: dict[int, str] = {}
        self._unmade: dict[int, tuple[nn.Module, str, set[str]]] = {}  # networks with lazy parameters
        self._aliases: dict[int, set[str]] = {}  # of a network called by itself and as part of another
        self._only_networks = model is not None
        self._only = _several(optimizer, Optimizer, "an optimiser of torch.optim") if optimizer is not None else None
        self._losses = LossWatch(self.record)
        self._judgements = Judgements(self._judged)
        self._functions = FunctionWatch(
            call=self._called,
            loss=self._lost,
            judged=self._judgements.called,
            drawn=self._redrawn,
            before_backward=self._before_backward,
            after_backward=self._backwarded,
        )
        self._modules = ModuleWatch(self._name_of, self._entered, self._left, self._functions)
        self._steps = OptimizerWatch(
            looking=lambda: self.record.steps if self._looking else None,
            name=lambda p: self._origins.get(id(p), "").removeprefix("parameter:") or f"a tensor {tuple(p.shape)}",
            wanted=self._wanted,
            stepping=self._stepping,
            stepped=self._stepped,
            awake=self._functions.awake,
            seen=self._updated,
        )
        self._loaders = LoaderWatch(self._functions)
        self._inputs = InputWatch(self.record)
        self._stack = ExitStack()
        self._tape: Tape | None = None
        self._entries: list[Entry] = []
        self._backwards: list[Backward] = []
        self._late: list[Tensor] = []
        self._roots: deque[weakref.ref[Tensor]] = deque(maxlen=KEPT)
        self._mode = True
        self._random: Tensor | None = None
        self._glances = GLANCES
        self._input: weakref.ref[Tensor] | None = None
        self._modal: dict[int, list[nn.Module]] = {}
        self._probes: dict[int, list[Probe]] = {}
        self._cleared: dict[int, bool] = {}
        self._leading = self._others = 0
        self._gradient: tuple[weakref.ref[Tensor], int] | None = None  # where the last backward pass left one
        self._stamp: tuple[weakref.ref[Tensor], int] | None = None  # a weight as the last update left it
        self._looking = False
        self._began = 0.0
        for network in _several(model, nn.Module, "a torch.nn.Module") if model is not None else ():
            self._meet(network)

    # -- the loop's own life -------------------------------------------------------------------------------------------

    def __enter__(self) -> "Watch":
        self._began = time.perf_counter()
        self._look_or_not()
        self._stack.enter_context(self._modules.start())
        self._stack.enter_context(self._loaders.start())
        self._stack.enter_context(self._steps.start())
        self._stack.enter_context(self._functions)
        self._stack.callback(self._functions.step_back)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._validation is not None:
            self._validate(self._validation)
        self._stack.close()
        with unwatched():
            self._inputs.sort(trained=False)
            self._losses.keep()
            self._losses_in()
            self._end_look()
            for name, network in self._networks:
                prefix = self._prefix(name)
                for inner, p in network.named_parameters():
                    self.record.end[prefix + inner] = tensor_facts(p)
        if error is not None and not isinstance(error, (KeyboardInterrupt, SystemExit, EnoughSeen)):
            self.record.stopped = f"{type(error).__name__}: {error}"
        r = self.record
        r.seconds = time.perf_counter() - self._began
        r.loaders = self._loaders.seen()
        self._inputs.tell()
        r.replaced = self._steps.replaced
        r.put_back = self._written_since()

    def _written_since(self) -> bool:
        """Whether the first weight is another than the last update left it."""
        weight = self._stamp[0]() if self._stamp is not None else None
        return weight is not None and self._stamp is not None and weight._version != self._stamp[1]

    def _validate(self, loader: Iterable[Any]) -> None:
        """Validation by the watch itself, seen as if the loop did it."""
        loss = self._losses.training_loss
        if loss is None or not self._networks:
            why = "the loop calls none of torch's loss functions"
        else:
            why = validate(self._networks[0][1], loader, loss)
        if why:
            self.record.unseen.append(f"validation ({why})")

    def findings(self) -> Findings:
        """What was found so far; print it.

        Lecture: U7
        """
        return findings(self.record)

    # -- networks ------------------------------------------------------------------------------------------------------

    def _prefix(self, name: str) -> str:
        return "" if name == self.record.networks[0] else f"{name}."

    def _meet(self, network: nn.Module) -> None:
        """A network seen for the first time."""
        kind = type(network).__name__
        same = sum(known.split("#")[0] == kind for known in self.record.networks)
        name = f"{kind}#{same + 1}" if same else kind
        self._networks.append((name, network))
        self.record.networks.append(name)
        prefix = self._prefix(name)
        for inner, module in network.named_modules():
            self._names.setdefault(id(module), prefix + inner if inner else name)
            self._owners.setdefault(id(module), name)
        # what is part of a network that was met before keeps its name there: net[:3], and then net
        own = {prefix + inner for inner, p in network.named_parameters() if id(p) not in self._origins}
        for inner, p in network.named_parameters():
            self._origins.setdefault(id(p), f"parameter:{prefix}{inner}")
            self._aliases.setdefault(id(p), set()).add(prefix + inner)
        for inner, b in network.named_buffers():
            self._origins[id(b)] = f"buffer:{prefix}{inner}"
        self.record.modules += modules_of(name, network, prefix)
        self._meet_parameters(network, prefix, own)

    def _meet_parameters(self, network: nn.Module, prefix: str, own: set[str]) -> None:
        """Those that are made; lazy ones are met again when the network's call is through."""
        known = {p.name for p in self.record.parameters}
        met = parameters_of(network, prefix, self._only or ())
        self.record.parameters += [p for p in met if p.name in own - known]
        if any(map(is_lazy, network.parameters())):
            self._unmade[id(network)] = (network, prefix, own)
        else:
            self._unmade.pop(id(network), None)

    def _name_of(self, module: nn.Module) -> str | None:
        name = self._names.get(id(module))
        if name is not None or self._only_networks or self._modules.stack or len(self._networks) >= MOST_NETWORKS:
            return name
        if next(module.parameters(), None) is None:
            return None
        if (whole := self._part_of(module)) is not None:
            return whole
        with unwatched():
            self._meet(module)
        return self._names[id(module)]

    def _part_of(self, module: nn.Module) -> str | None:
        """The network of which a module is a stretch, cut out anew for a call: ``net[:3](x)``."""
        owners = {self._owners.get(id(child)) for child in module} if type(module) is nn.Sequential else set()
        return owners.pop() if len(owners) == 1 else None

    def _entered(self, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        self._functions.wake()  # an optimiser's step that raised did not
        if self._looking and self._tape is None:
            self._begin_look()
        self._mode = module.training
        if not module.training and not torch.is_grad_enabled() and self._glances:
            self._random = _random_state()
        self._given(next((x for x in inputs if x.dim() > 0), None))

    def _given(self, x: Tensor | None) -> None:
        """What a network is called on."""
        self._input = weakref.ref(x) if x is not None else None

    def _left(self, module: nn.Module, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        grad, output = torch.is_grad_enabled(), outputs[0] if outputs else None
        name = self._names.get(id(module)) or self._part_of(module) or type(module).__name__
        mode = self._mode_of(module, inputs, grad=grad)
        if self._random is not None:
            self._glances -= 1
            self.record.drew_in_evaluation += not torch.equal(self._random, _random_state())
            self._random = None
        if mode is not None:
            self.record.entries[name, mode, grad] = self.record.entries.get((name, mode, grad), 0) + 1
        with unwatched():
            for unmade in list(self._unmade.values()):
                self._meet_parameters(*unmade)
            if output is not None and not grad:
                self._judgements.answered(output)
            first = self._inputs.called(
                name,
                inputs,
                outputs,
                looking=self._looking,
                taping=self._tape is not None,
                grad=grad,
                training=module.training,
                mode=mode,
            )
            self._given(first)
            if self._tape is not None:
                self._entries.append(
                    entry_facts(self._tape, name, inputs, output, first, training=module.training, grad=grad)
                )

    def _mode_of(self, module: nn.Module, inputs: Sequence[Tensor], *, grad: bool) -> bool | None:
        """Whether a network was in training mode; None for a call that is neither training nor evaluation.

        Such is one in evaluation mode whose gradient is wanted for its input, or that has nothing left to train: an
        attack on a network, a picture that is made for it. Of parts of a network put together anew the mode is that of
        what depends on it.
        """
        if grad:
            wanted = not module.training and any(x.requires_grad and x.is_leaf for x in inputs)
            still = not module.training and not any(p.requires_grad for p in module.parameters())
            return None if wanted or still else module.training
        if not module.training:
            return False
        if id(module) not in self._modal:
            kinds = (type(m).__name__ for m in module.modules())
            self._modal[id(module)] = [m for m, kind in zip(module.modules(), kinds, strict=True) if kind in MODAL]
        modal = self._modal[id(module)]
        return not modal or any(m.training for m in modal)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _called(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        if self._tape is not None and not self._modules.paused:
            self._tape.note(func, args, kwargs, result, self._modules.current)

    def _lost(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        if not self._modules.paused:
            given = self._input() if self._input is not None else None
            self._losses.called(func, args, kwargs, result, given=given, looking=self._looking, mode=self._mode)

    def _judged(self, right: Tensor, truth: Tensor) -> None:
        """The loop counts its network's right answers in evaluation."""
        if right.is_cuda:
            return  # to read it would wait for the accelerator
        with unwatched():
            none = self.record.targets.left_out
            if none is not None and right.shape == truth.shape and (none < 0 or truth.dim() > 1):
                right, truth = right[truth != none], truth[truth != none]  # padding, and pixels without a label
            count, of = self.record.judged.get(self.record.steps, (0, 0))
            self.record.judged[self.record.steps] = (count + int(right.sum()), of + right.numel())
            if not truth.is_floating_point():
                note_targets(self.record.judged_targets, truth, 0)
                note_right(self.record.judged_targets, right, truth)

    def _redrawn(self, p: Tensor) -> None:
        """Random numbers are drawn into a tensor in place."""
        if self.record.steps and p.dim() > 1 and self._origins.get(id(p), "").startswith("parameter:"):
            self.record.redrawn += 1

    def _before_backward(self, loss: Tensor) -> None:
        self._modules.paused = True
        self._steps.idle()
        self.record.backwards += 1
        with torch.no_grad():
            if loss.is_cuda:
                self._late.append(loss.detach().double().mean())
            else:
                self.record.loss.add(float(loss.detach().double().mean()))
            for number, places in self._probes.items():
                if not self._cleared[number] and not any(p.alive for p in places):
                    self._cleared[number] = True
            self._losses.keep()
            self._inputs.sort(trained=True)
            self._roots.append(weakref.ref(loss))
            if self._looking:
                if self._backwards and self._backwards[-1].step == self.record.steps:
                    self.record.wasted_backwards += not (self._steps.by_closure or self._any_gradient())
                kept = sum((root := ref()) is not None and root.grad_fn is not None for ref in self._roots)
                self.record.kept_losses = max(self.record.kept_losses, kept - 1)
                self.record.backward_site = call_site(3)
                producer = None if self._tape is None else self._tape.producer(loss)
                value = float(loss.detach().double().mean())
                self._backwards.append(Backward(self.record.steps, value, self.record.backward_site, producer))

    def _losses_in(self) -> None:
        """Losses that wait on an accelerator, all at once."""
        if self._late:
            for value in torch.stack(self._late).tolist():
                self.record.loss.add(value)
            self._late.clear()

    def _backwarded(self) -> None:
        self._modules.paused = False
        if self._looking:
            with unwatched():
                every = (p for _, network in self._networks for p in network.parameters())
                first = next((p for p in every if flows(p)), None)
                self.record.live_backwards += first is not None
                self._gradient = (weakref.ref(first), _place(first)) if first is not None else None

    def _any_gradient(self) -> bool:
        return any(flows(p) for _, network in self._networks for p in network.parameters())

    def _wanted(self, optimizer: Optimizer) -> bool:
        """One of those to be watched, or one made anew in its place."""
        if self._only is None or any(optimizer is own for own in self._only):
            return True
        held = parameter_ids(optimizer)
        return any(parameter_ids(own) == held for own in self._only)

    # -- updates -------------------------------------------------------------------------------------------------------

    def _stepping(self, optimizer: Optimizer, number: int) -> None:
        if number not in self._probes:
            self._meet_optimizer(optimizer)
        self.record.early_steps += self.record.backwards == 0 and not self._steps.by_closure
        if number in self._probes and not self._steps.by_closure:  # a closure clears within the step
            counts = self.record.cleared if self._cleared[number] else self.record.uncleared
            counts[number] = counts.get(number, 0) + 1
        if self._looking and self._gradient is not None:
            given = self._gradient[0]()
            self.record.put_gradients += given is not None and _place(given) not in (0, self._gradient[1])
        self._probes[number] = probes(optimizer)
        self._cleared[number] = not self._probes[number]
        self._functions.rest()

    def _meet_optimizer(self, optimizer: Optimizer) -> None:
        """An optimiser that makes its first step."""
        self.record.groups += groups_of(optimizer, {i for i, o in self._origins.items() if o.startswith("parameter:")})
        own = (self._aliases.get(id(p), set()) for group in optimizer.param_groups for p in group["params"])
        held = set[str]().union(*own)
        self.record.parameters = [
            replace(p, in_optimizer=True) if p.name in held else p for p in self.record.parameters
        ]

    def _stepped(self, optimizer: Optimizer, number: int) -> None:
        self._functions.wake()
        if number != self._leading:
            self._others += 1
            if self._others < MOST_OTHERS:
                return
        self._leading, self._others = number, 0
        first = next((p for group in optimizer.param_groups for p in group["params"]), None)
        self._stamp = (weakref.ref(first), first._version) if first is not None else None
        add_rates(self.record, tuple(float(group.get("lr", 0.0)) for group in optimizer.param_groups))
        self._end_look()
        self.record.steps += 1
        if self._stop_after is not None and self.record.steps >= self._stop_after:
            raise EnoughSeen
        self._look_or_not()

    def _updated(self, seen: UpdateSeen) -> None:
        self.record.updates.append(seen)

    def _look_or_not(self) -> None:
        self._looking = self._schedule.looks(self.record.steps)
        if self._looking and self.record.steps:
            self._begin_look()

    def _begin_look(self) -> None:
        self._tape = Tape(self._origins)
        self._functions.taping = True

    def _end_look(self) -> None:
        self._functions.taping = False
        self._losses_in()
        if self._tape is not None and (self._tape.calls or self._entries or self._backwards):
            self.record.looks.append(Look(self.record.steps, self._tape, tuple(self._entries), tuple(self._backwards)))
        self._tape = None
        self._entries.clear()
        self._backwards.clear()


def _place(p: Tensor) -> int:
    """Where a parameter's gradient lies in memory; 0 where that can't be told."""
    return p.grad.data_ptr() if p.grad is not None and p.grad.layout is torch.strided else 0


def _random_state() -> Tensor:
    """Of torch's own streams of random numbers, on the CPU and on the accelerator in use."""
    state = torch.random.get_rng_state()
    return torch.cat([state, torch.cuda.get_rng_state()]) if torch.cuda.is_initialized() else state


def _several(given: Any, kind: type[Any], what: str) -> tuple[Any, ...]:
    """One or several, as a tuple."""
    found = (given,) if isinstance(given, kind) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not found:
        raise InputError(expected=f"{what}, or several", found="none", do="leave it out to see every one at work")
    for value in found:
        if not isinstance(value, kind):
            raise InputError(
                expected=f"{what}, or several",
                found=a_kind(value),
                do="give what the loop calls and steps",
            )
    return found
