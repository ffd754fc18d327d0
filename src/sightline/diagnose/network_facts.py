"""What networks and optimisers are made of, before anything is trained."""

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from sightline.diagnose.function_watch import unwatched
from sightline.diagnose.readable import readable
from sightline.diagnose.record import GroupSeen, ModuleSeen, ParameterSeen
from sightline.diagnose.tape import Plain, plain
from sightline.diagnose.tensor_facts import tensor_facts


def modules_of(name: str, network: nn.Module, prefix: str) -> list[ModuleSeen]:
    """Every module, outermost first."""
    return [
        ModuleSeen(prefix + inner if inner else name, type(module).__name__, _settings(module), module.training)
        for inner, module in network.named_modules()
    ]


def _settings(module: nn.Module) -> dict[str, Plain]:
    """The numbers and words that a module keeps under its own names."""
    return {
        key: value
        for key, value in vars(module).items()
        if not key.startswith("_") and key != "training" and isinstance(value, (bool, int, float, str))
    }


def parameters_of(network: nn.Module, prefix: str, optimizers: Iterable[Optimizer]) -> list[ParameterSeen]:
    """Every parameter that has numbers, once; what stands in for one during a call (``functional_call``) is none."""
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    owners = {id(p): module for module in network.modules() for p in module.parameters(recurse=False)}
    with unwatched():
        return [
            ParameterSeen(
                prefix + name,
                tuple(p.shape),
                p.requires_grad,
                id(p) in held,
                tensor_facts(p),
                _alike(p),
                _fan_in(p, owners[id(p)]),
            )
            for name, p in network.named_parameters()
            if isinstance(p, nn.Parameter) and not (is_lazy(p) or p.is_meta)
        ]


def _alike(p: Tensor) -> bool:
    if not readable(p) or p.dim() < 2 or len(p) < 2:
        return False
    rows = p.detach().flatten(1)
    return bool((rows == rows[:1]).all())


def _fan_in(p: Tensor, owner: nn.Module) -> int:
    if p.dim() < 2 or isinstance(owner, (nn.Embedding, nn.EmbeddingBag)):
        return 0
    if isinstance(owner, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return p.numel() // (p.shape[1] * owner.groups) or 1
    return p.numel() // len(p)


def groups_of(optimizer: Optimizer, known: set[int]) -> list[GroupSeen]:
    """Every parameter group; ``known`` are the ids of the watched networks' parameters."""
    return [
        GroupSeen(
            type(optimizer).__name__,
            {key: _setting(value) for key, value in group.items() if key != "params"},
            sum(p.numel() for p in group["params"]),
            sum(id(p) not in known for p in group["params"]) if known else 0,
        )
        for group in optimizer.param_groups
    ]


def _setting(value: object) -> Plain:
    """Of an optimiser, whose numbers may be tensors."""
    return plain(tuple(map(_number, value)) if isinstance(value, (list, tuple)) else _number(value))


def _number(value: object) -> object:
    return float(value) if isinstance(value, Tensor) and value.numel() == 1 else value
