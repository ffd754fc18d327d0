"""Which parameters are regularised: weights are, biases and normalisation parameters are not."""

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from sightline.core.errors import ConfigurationError

_WEIGHTED = (nn.Linear, nn.Bilinear, nn.Embedding, nn.EmbeddingBag, nn.RNNBase, nn.RNNCellBase, _ConvNd)
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def parameter_groups(model: nn.Module, *, weight_decay: float = 0.0) -> list[dict[str, Any]]:
    """Split a model's trainable parameters into regularised and unregularised ones.

    The weights of linear, convolution, embedding and recurrent layers are regularised, and so is any
    other parameter with two axes or more. Biases, the parameters of normalisation layers, and other
    scalars and vectors (a layer scale among them) are not: they only shift and scale, and shrinking them
    does not simplify the function. The layer counts before the shape, as a shard of a matrix is a vector.

    A module's class may say otherwise of parameters of its own, by name: ``not_regularised`` and
    ``regularised``, each a ``frozenset[str]``, come before these rules.

    Args:
        model: the network; a parameter used twice counts once, a frozen one is left out.
        weight_decay: put into the first group, 0 into the second.

    Returns:
        One or two groups for an optimiser, none of them empty. ``"regularised"`` tells which is which.

    Raises:
        ConfigurationError: when there is nothing to train.

    Lecture: O6

    Example:
        >>> groups = parameter_groups(nn.Linear(3, 2), weight_decay=0.1)
        >>> [(g["weight_decay"], [tuple(p.shape) for p in g["params"]]) for g in groups]
        [(0.1, [(2, 3)]), (0.0, [(2,)])]
    """
    split: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                split[_is_regularised(module, name, parameter)].append(parameter)
    if not seen:
        raise ConfigurationError(
            expected="a model with parameters to train",
            found=f"{type(model).__name__} with {sum(1 for _ in model.parameters())}, all of them frozen",
            do="set requires_grad on what shall be trained",
        )
    return [
        {"params": parameters, "weight_decay": weight_decay if regularised else 0.0, "regularised": regularised}
        for regularised, parameters in split.items()
        if parameters
    ]


def _is_regularised(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    # asked of the class: on the module itself the name may belong to a layer or a parameter
    if name in getattr(type(module), "not_regularised", ()):
        return False
    if name in getattr(type(module), "regularised", ()):
        return True
    if "bias" in name or isinstance(module, _NORMS):
        return False
    return parameter.ndim > 1 or ("weight" in name and isinstance(module, _WEIGHTED))
