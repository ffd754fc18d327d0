"""What every model is: a featuriser, then a generalised linear head."""

import inspect
import re
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import PyTorchModelHubMixin, constants, hf_hub_download
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sightline.core.config import Choice
from sightline.core.errors import CheckpointError
from sightline.core.kinds import with_article
from sightline.models.misfit import find_misfit

P = TypeVar("P", bound="Predictor")

CLASS = "class"
"""Where config.json has the class's name; no constructor can have an argument called so."""


class Predictor(nn.Module, PyTorchModelHubMixin):
    """A network split as ``head(features(x))``.

    Subclasses take keyword-only, JSON-able constructor arguments, set ``self.head`` and define
    ``features``. ``save_pretrained(folder)`` writes ``model.safetensors`` and ``config.json``;
    ``from_pretrained(folder)`` rebuilds the model from them, in evaluation mode. Only safetensors are
    read, and every weight must fit.

    Shapes:
        x (batch, *input_shape) → features (batch, num_features) → outputs (batch, num_outputs)

    In training, a model of several heads may give ``AuxiliaryOutputs`` instead of a tensor.

    Raises:
        InputError: when called with inputs of a shape that a layer can't take; it names the layer.
        CheckpointError: from ``from_pretrained``, when a file is not there, the weights are damaged,
            or they are another model's.

    Lecture: F1, F11
    """

    choice: Choice | None = None
    """Name and options in the model registry, where a registered builder made this model."""

    head: nn.Module

    def features(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch num_features"]:
        """What the head sees."""
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Outputs: one logit a class, or one standardised number, (batch, num_outputs); of an autoencoder images."""
        outputs: Tensor = self.head(self.features(x))
        return outputs

    def initialise_from_data(self, x: Float[Tensor, "batch ..."]) -> None:
        """Choose first weights that depend on the data, before training; most models have none.

        Args:
            x: standardised training inputs, some thousands.
        """

    def __call__(
        self, x: Float[Tensor, "batch ..."] | Int[Tensor, "batch ..."] | None = None, *rest: Any, **options: Any
    ) -> Any:
        """The forward pass with its hooks; an input that does not fit is told by the layer that refused it."""
        try:
            return super().__call__(*(() if x is None else (x,)), *rest, **options)
        except (RuntimeError, ValueError, IndexError) as error:
            misfit = find_misfit(self, x, error) if isinstance(x, Tensor) else None
            if misfit is None:
                raise
            raise misfit from error

    def save_pretrained(  # type: ignore[override]  # of the mixin's options, only `config` concerns us
        self, save_directory: str | Path, *, config: dict[str, Any] | None = None, **options: Any
    ) -> str | None:
        """Write ``model.safetensors`` and ``config.json``: the class's name and its constructor's arguments.

        Args:
            save_directory: the folder; it is made where there is none.
            config: arguments to write instead of those the network was built with.
            options: those of ``PyTorchModelHubMixin.save_pretrained``, to put it on the Hub as well.
        """
        arguments: Any = self._hub_mixin_config if config is None else config
        told = {**(arguments or {}), CLASS: type(self).__name__}
        return super().save_pretrained(save_directory, config=told, **options)

    @classmethod
    def from_pretrained(cls: type[P], source: str | Path, **options: Any) -> P:  # type: ignore[override]
        """The network that :meth:`save_pretrained` wrote, in evaluation mode.

        Args:
            source: a folder, or "owner/name" on the Hub.
            options: those of ``PyTorchModelHubMixin.from_pretrained``; constructor arguments other than the saved.
        """
        predictor: P = super().from_pretrained(source, **options)
        if isinstance(predictor._hub_mixin_config, dict):
            predictor._hub_mixin_config.pop(CLASS, None)  # where there are no arguments, the mixin keeps the file's
        return predictor

    @classmethod
    def _from_pretrained(
        cls: type[P],
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        map_location: str = "cpu",
        strict: bool = True,
        **arguments: Any,
    ) -> P:
        """The mixin's hook: build from the configuration's arguments, then load the weights, all of them."""
        if Path(model_id).is_dir():
            weights = Path(model_id) / constants.SAFETENSORS_SINGLE_FILE
        else:
            weights = Path(
                hf_hub_download(
                    repo_id=model_id,
                    filename=constants.SAFETENSORS_SINGLE_FILE,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    token=token,
                    local_files_only=local_files_only,
                )
            )
        arguments.pop(CLASS, None)  # the mixin hands it on where the constructor takes **anything
        try:
            inspect.signature(cls).bind(**arguments)
            predictor = cls(**arguments)
            predictor.load_state_dict(_with_tied(predictor, load_file(weights, device=map_location)), strict=strict)
        except (TypeError, RuntimeError, OSError, SafetensorError) as error:
            raise CheckpointError(
                expected=f"{with_article(cls.__name__)} saved by save_pretrained in {model_id}",
                found=_told(error),
                do="load it with the class that saved it, or save it again",
            ) from error
        return predictor.eval()


def _with_tied(predictor: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under all names of a tied one: files may hold it once (``save_pretrained``) or twice (a run's)."""
    names: dict[int, list[str]] = {}
    for name, tensor in predictor.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), []).append(name)
    for tied in names.values():
        held = next((weights[name] for name in tied if name in weights), None)
        if held is not None:
            weights |= {name: held for name in tied if name not in weights}
    return weights


def _told(error: Exception) -> str:
    """An error in a line; of torch's list of weights that do not fit, the first and how many more."""
    first, *rest = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    problems: list[str] = []
    for line in rest if first.startswith("Error(s) in loading") else []:
        names = re.findall(r'"([^"]+)"', line)
        problems += [f"{line.partition(':')[0]}: {name}" for name in names] or [line.rstrip(".")]
    if not problems:
        return first
    return problems[0] + (f"; and {len(problems) - 1} more" if len(problems) > 1 else "")
