"""Weights by name and the model they are for."""

from collections.abc import Mapping

from torch import Tensor, nn

from sightline.core.errors import CheckpointError


def load_matching(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into a model whose names and shapes they fit.

    Raises:
        CheckpointError: naming the first one that does not fit.
    """
    require_matching(model, weights)
    model.load_state_dict(dict(weights))


def require_matching(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights whose names or shapes are not the model's.

    Raises:
        CheckpointError: naming the first one that does not fit.
    """
    own = model.state_dict()
    wrong = [f"no {name}" for name in own if name not in weights]
    wrong += [f"{name}, unknown to the model" for name in weights if name not in own]
    wrong += [
        f"{name} of shape {tuple(weights[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise CheckpointError(
            expected=f"the weights of this {type(model).__name__}",
            found=f"a checkpoint with {wrong[0]}{more}",
            do="use the model, options and data schema that the checkpoint was made with",
        )
