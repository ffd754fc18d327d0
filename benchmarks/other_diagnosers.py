"""The other PyTorch diagnosers on the same programs: torch-audit, torchmortem, torchdiag.

    pip install torch-audit torchmortem torchdiag
    python benchmarks/other_diagnosers.py [--tool torchmortem] [--part tuned] [--seeds 1] [--only mlp] [--json FILE]

(DLCheck is not in the package index.) Each is used as its page tells: torch-audit by `autopatch`, torchmortem by
`attach`, `step` after every optimiser step and `detach`, torchdiag by its checks of gradients and dead neurons on the
last batch. They want the model and the optimiser, and a script hands over neither: both are taken when an optimiser is
made, and the tool attached before the first backward pass (schedules do not take an optimiser whose step is patched).
`WORDS` turns their words into our causes and fault codes, in their favour wherever two readings are possible;
hints about hardware and style count as advice, and a symptom alone ("NaN in gradients") as a cause that nothing has.
"""

import argparse
import gc
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from diagnosis import FAULTY, Diagnoser, evaluate
from diagnosis_score import Said
from forked import run_script, warm_up

AUDIT_EVERY = 10  # steps; its default of 1000 sees one step of most programs

WORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "TA100": ("nan-seen", ()),
    "TA102": ("exploding-gradients", ("HLR", "WCI", "LRM")),
    "TA103": ("dead-units", ("ACH", "WCI")),
    "TA104": ("detached", ("FRZ",)),
    "TA105": ("dead-units", ("ACH", "WCI")),
    "TA301": ("not-standardised", ("CPP",)),
    "TA302": ("constant-input", ("CPP",)),
    "TA303": ("wrong-layout", ("IWF", "IWS")),
    "TA304": ("batch-too-small", ("HBS",)),
    "TA305": ("label-range", ("IWF",)),
    "TA401": ("weight-decay-too-strong", ("WDW", "OCH")),
    "TA402": ("weight-decay-too-strong", ("WDW",)),
    "TA403": ("weight-decay-too-strong", ("WDW",)),
    "TA405": ("dead-units", ("ACH", "WCI")),
    "TA500": ("unused-layer", ("LAD",)),
    "TA501": ("layer-used-twice", ("MWA",)),
    "Vanishing gradients": ("vanishing-gradients", ("ACH", "MWA", "WCI")),
    "Exploding gradients": ("exploding-gradients", ("HLR", "WCI", "LRM")),
    "Gradient stalling": ("vanishing-gradients", ("ACH", "WCI")),
    "Dead units": ("dead-units", ("ACH", "WCI", "HLR")),
    "Activation saturation": ("saturation", ("ACH", "WCI")),
    "High gradient noise": ("batch-too-small", ("HBS",)),
    "Training divergence": ("rate-too-high", ("HLR",)),
    "Loss plateau": ("rate-too-low", ("HLR",)),
    "Rank collapse": ("bottleneck", ("LCN", "RCW")),
    "Update ratio too low": ("rate-too-low", ("HLR",)),
    "Update ratio too high": ("rate-too-high", ("HLR",)),
    "Weight norm explosion": ("rate-too-high", ("HLR", "RCW")),
    "Stagnant weight norms": ("rate-too-low", ("HLR", "FRZ")),
    "Inter-layer weight norm imbalance": ("bad-initialisation", ("WCI",)),
    "EXPLODE": ("exploding-gradients", ("HLR", "WCI", "LRM")),
    "VANISH": ("vanishing-gradients", ("ACH", "MWA", "WCI")),
    "no_grad": ("detached", ("FRZ",)),
    "dead neurons": ("dead-units", ("ACH", "WCI", "HLR")),
}
HINTS = ("TA2", "TA400", "TA404")  # hardware, style


class Tool(Protocol):
    """One of the tools, around one model."""

    def after_step(self, loss: float) -> None:
        """Called after every step of the optimiser."""

    def words(self) -> list[tuple[str, str]]:
        """Its words with their severity, once the script has ended."""


class TorchAudit:
    """`autopatch`, with its checks of architecture and optimiser."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        from torch_audit import autopatch  # type: ignore[import-not-found, unused-ignore]

        self.auditor = autopatch(model, optimizer=optimizer, every_n_steps=AUDIT_EVERY)

    def after_step(self, loss: float) -> None:
        """It patched the optimiser itself."""

    def words(self) -> list[tuple[str, str]]:
        """Rule and severity."""
        levels = {"INFO": "advice", "WARN": "warning", "ERROR": "error", "FATAL": "error"}
        found = self.auditor.finish(report=False).findings
        return [(each.rule_id, "advice" if each.rule_id.startswith(HINTS) else levels[each.severity]) for each in found]


class TorchMortem:
    """`Autopsy` at its default sampling."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        from torchmortem import Autopsy  # type: ignore[import-not-found, unused-ignore]

        self.autopsy = Autopsy(model, optimizer=optimizer)
        self.autopsy.attach()

    def after_step(self, loss: float) -> None:
        """As its page tells."""
        self.autopsy.step(loss=loss)

    def words(self) -> list[tuple[str, str]]:
        """Title and severity."""
        self.autopsy.detach()
        levels = {"INFO": "advice", "WARNING": "warning", "CRITICAL": "error"}
        return [(each.title, levels[each.severity.name]) for each in self.autopsy.get_report().findings]


class TorchDiag:
    """Its checks of gradients and dead neurons on the last batch; it has no severities: all are warnings."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model, self.batch, self.statuses = model, None, set[str]()
        model.register_forward_pre_hook(self._keep)

    def _keep(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.batch = inputs[0] if len(inputs) == 1 else self.batch

    def after_step(self, loss: float) -> None:
        """The gradients are still those of the step."""
        if self.model.training:
            import torchdiag  # type: ignore[import-not-found, unused-ignore]

            self.statuses = {each["status"] for each in torchdiag.check_gradients(self.model).values()}

    def words(self) -> list[tuple[str, str]]:
        """Gradient statuses of the last step, and dead neurons where it calls a layer's share a warning or worse."""
        import torchdiag

        said = self.statuses - {"OK"}
        if self.batch is not None:
            report = torchdiag.check_dead_neurons(self.model, self.batch)
            said |= {"dead neurons"} if any(each["dead_pct"] > 20 for each in report.values()) else set()
        return [(word, "warning") for word in said]


TOOLS: dict[str, Callable[[nn.Module, torch.optim.Optimizer], Tool]] = {
    "torch-audit": TorchAudit,
    "torchmortem": TorchMortem,
    "torchdiag": TorchDiag,
}


def model_of(optimizer: torch.optim.Optimizer) -> nn.Module | None:
    """The largest module that holds a parameter of the optimiser."""
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    modules = [each for each in gc.get_objects() if issubclass(type(each), nn.Module)]
    owners = [module for module in modules if any(id(parameter) in held for parameter in module.parameters())]
    return max(owners, key=lambda module: sum(1 for _ in module.modules()), default=None)


def said_of(word: str, severity: str) -> Said:
    """A tool's word as a finding of ours."""
    cause, codes = next((known for start, known in WORDS.items() if word.startswith(start)), (word, ()))
    return Said(cause, codes, severity)


def diagnose_with(name: str, path: Path, arguments: list[str]) -> list[Said]:
    """Runs a script with a tool attached to every model whose optimiser it makes."""
    tools: dict[int, Tool] = {}
    last_loss = [float("nan")]
    plain_backward: Any = Tensor.backward
    plain_init: Any = torch.optim.Optimizer.__init__

    made: list[torch.optim.Optimizer] = []

    def backward(self: Tensor, *args: Any, **options: Any) -> None:
        while made:
            attach(made.pop(0))
        last_loss[0] = float(self.detach())
        plain_backward(self, *args, **options)

    def init(self: torch.optim.Optimizer, *args: Any, **options: Any) -> None:
        plain_init(self, *args, **options)
        made.append(self)

    def attach(optimizer: torch.optim.Optimizer) -> None:
        model = model_of(optimizer)
        if model is not None and id(model) not in tools:
            tool = tools[id(model)] = TOOLS[name](model, optimizer)
            optimizer.register_step_post_hook(lambda *_: tool.after_step(last_loss[0]))

    Tensor.backward, torch.optim.Optimizer.__init__ = backward, init  # type: ignore[method-assign]
    run_script(path, arguments)
    return [said_of(*pair) for pair in sorted({pair for tool in tools.values() for pair in tool.words()})]


def _loader(name: str) -> Diagnoser:
    return partial(diagnose_with, name)


def main() -> None:
    """Parse, run every tool over the parts, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", choices=sorted(TOOLS))
    parser.add_argument("--part", choices=[*FAULTY, "healthy", "all"], default="all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warm_up()
    parts = [*FAULTY, "healthy"] if options.part == "all" else [options.part]
    results = {}
    for name in [options.tool] if options.tool else sorted(TOOLS):
        print(f"== {name}", flush=True)
        results[name] = evaluate(parts, options.only, options.seeds, partial(_loader, name))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
