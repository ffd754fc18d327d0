"""Early exits: heads inside a network, so that an example that is easy costs only the first stages."""

import re
from collections.abc import Sequence
from copy import deepcopy
from math import ceil, isfinite, isnan
from typing import Annotated, Any, get_args, get_type_hints

import torch
import yaml
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.config import Choice, Option, fields_of, resolve
from sightline.core.errors import CheckpointError, ConfigurationError
from sightline.core.kinds import a_kind
from sightline.core.schema import Schema
from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.models.fitness import require_images
from sightline.models.predictor import Predictor
from sightline.models.registry import MODELS, model
from sightline.models.staged import StagedPredictor


def _encode(backbone: StagedPredictor) -> dict[str, Any]:
    """A network of stages as its class's name and its constructor's arguments, for ``config.json``."""
    return {"class": type(backbone).__name__, "arguments": backbone._hub_mixin_config or {}}


def _decode(plain: dict[str, Any]) -> StagedPredictor:
    """Build :func:`_encode`'s network, with new weights."""
    known = {kind.__name__: kind for kind in _below(StagedPredictor)}
    if plain["class"] not in known:
        raise CheckpointError(
            expected=f"a network of stages among: {', '.join(sorted(known))}",
            found=f"early exits on a {plain['class']}",
            do="import the module that defines it first",
        )
    return known[plain["class"]](**plain["arguments"])


def _below(kind: type[StagedPredictor]) -> list[type[StagedPredictor]]:
    return [found for child in kind.__subclasses__() for found in (child, *_below(child))]


class EarlyExits(Predictor, coders={StagedPredictor: (_encode, _decode)}):
    """A network of stages with a linear head of its own after some of them: z_k = W_k gather(h_k) + b_k.

    In training all exits are given, for the loss ℓ(z_last) + weight·Σ_k ℓ(z_k); in evaluation the last one's
    outputs, the backbone's ``head(features(x))``. :meth:`predict_early` lets every example leave at the first exit
    that is sure of it; what that saves is told by ``sightline.understand.early_exits.exit_curve``.

    Head weights start normal with mean 0 and variance 1/fan_in, biases at 0. Parameters of the backbone that no exit
    depends on (heads that it has inside by itself) no longer ask for a gradient; better build it without them. To
    assign ``head`` replaces the backbone's.

    Shapes:
        x (batch, *input_shape) → (batch, num_outputs), in training ``AuxiliaryOutputs`` of them

    Args:
        backbone: any network of stages; it becomes part of this one.
        at: stages, counted from 0, after which an exit stands, ascending; the last stage has the backbone's head.
            What is gathered there depends on the image: after a transformer's embedding, the class token does not.
        input_shape: (channels, height, width) of the images.
        weight: what the loss of each inner exit counts beside the last one's 1.

    Raises:
        ConfigurationError: for stages that are not there or whose features do not depend on the image, a weight
            that is not positive, or a backbone whose features are not its stages' gathered.
        InputError: when the backbone can't take images of this shape.

    Source: Teerapittayanon, McDanel and Kung 2016, "BranchyNet", §III-B; equal weights: Huang et al. 2018,
        "Multi-Scale Dense Networks for Resource Efficient Image Classification", §4 (loss functions)

    Lecture: V9

    Example:
        >>> from sightline.models.resnet import resnet
        >>> schema = Schema("image", "classification", (1, 8, 8), classes=("cat", "dog"))
        >>> network = EarlyExits(backbone=resnet(schema, width=4), at=(1, 2), input_shape=(1, 8, 8)).eval()
        >>> outputs, exits = network.predict_early(torch.zeros(3, 1, 8, 8), threshold=0.0)
        >>> outputs.shape, exits.tolist()
        (torch.Size([3, 2]), [0, 0, 0])
    """

    def __init__(
        self, *, backbone: StagedPredictor, at: Sequence[int], input_shape: Sequence[int], weight: float = 1.0
    ) -> None:
        super().__init__()
        stages = len(backbone.stages)
        if not at or list(at) != sorted({k for k in at if 0 <= k < stages - 1}):
            raise ConfigurationError(
                expected=f"exits after stages from 0 to {stages - 2}, ascending: the network has {stages} stages",
                found=f"at = {list(at)}",
                do="name inner stages; the last one has the network's own head",
            )
        if not (isfinite(weight) and weight > 0):
            raise ConfigurationError(
                expected="a positive weight for the loss of an inner exit", found=f"weight = {weight}", do="1 is usual"
            )
        self.backbone = backbone
        self.at, self.weight = tuple(at), float(weight)
        widths, num_outputs = _rehearse(backbone, tuple(input_shape))
        _refuse_blind(backbone, self.at, widths)
        self.exit_heads = nn.ModuleList(nn.Linear(widths[k], num_outputs) for k in self.at)
        for layer in self.exit_heads:
            assert isinstance(layer, nn.Linear)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
        self.to(next(backbone.parameters()))

    @property
    def head(self) -> nn.Module:
        """The last head."""
        return self.backbone.head

    @head.setter
    def head(self, head: nn.Module) -> None:
        self.backbone.head = head

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "head":  # torch would register a module beside the property, where it is never asked
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def initialise_from_data(self, x: Float[Tensor, "batch channels height width"]) -> None:
        """Choose the backbone's first weights that depend on the data, where it has such."""
        self.backbone.initialise_from_data(x)

    @property
    def heads(self) -> list[nn.Module]:
        """All heads in order, the last one included."""
        return [*self.exit_heads, self.head]

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch num_features"]:
        """What the last head sees."""
        return self.backbone.features(x)

    def exits(self, x: Float[Tensor, "batch channels height width"]) -> list[Float[Tensor, "batch num_outputs"]]:
        """The outputs of every exit, the last one included."""
        outputs = []
        for k, stage in enumerate(self.backbone.stages):
            x = stage(x)
            if k in self.at:
                outputs.append(self.exit_heads[self.at.index(k)](self.backbone.gather(x)))
        outputs.append(self.head(self.backbone.gather(x)))
        return outputs

    def forward(  # type: ignore[override]  # in training, the outputs of all exits
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch num_outputs"] | AuxiliaryOutputs:
        """The last head's outputs; in training those of all."""
        if not self.training:
            return super().forward(x)
        *inner, last = self.exits(x)
        return AuxiliaryOutputs(last, tuple(inner), (self.weight,) * len(inner))

    @torch.no_grad()
    def predict_early(
        self, x: Float[Tensor, "batch channels height width"], threshold: float
    ) -> tuple[Float[Tensor, "batch num_outputs"], Int[Tensor, " batch"]]:
        """Each example's outputs at the first exit where max softmax(z_k) ≥ threshold, else at the last.

        An example that has left is not computed further: later stages see the others only.

        Args:
            x: standardised images.
            threshold: the probability that is sure enough; 0 lets all leave at the first exit, more than 1 none
                before the last.

        Returns:
            The outputs, and the number of the exit each was taken at, from 0.

        Raises:
            ConfigurationError: in training mode, for a threshold that is no number, or a network of one output.

        Source: BranchyNet, §III-C, with the largest probability in place of the entropy
        """
        self._require_early(threshold)
        count = len(x)
        waiting = torch.arange(count, device=x.device)
        exit_index = torch.full_like(waiting, len(self.at))
        order, answers = [], []
        for k, stage in enumerate(self.backbone.stages):
            x = stage(x)
            if k not in self.at:
                continue
            number = self.at.index(k)
            outputs = self.exit_heads[number](self.backbone.gather(x))
            leaves = outputs.float().softmax(1).amax(1) >= threshold
            exit_index[waiting[leaves]] = number
            order.append(waiting[leaves])
            answers.append(outputs[leaves])
            waiting, x = waiting[~leaves], x[~leaves]
            if not len(waiting):
                break
        else:
            order.append(waiting)
            answers.append(self.head(self.backbone.gather(x)))
        return torch.cat(answers)[torch.cat(order).argsort()], exit_index

    def _require_early(self, threshold: float) -> None:
        found, do = "", ""
        if self.training:
            found, do = "one in training mode", "call network.eval() first"
        elif isnan(threshold):
            found, do = "a threshold that is NaN", "choose one between 0 and 1"
        elif int(getattr(self.exit_heads[0], "out_features", 2)) < 2:
            found, do = "one output, which has no probability", "use early exits for classes"
        if found:
            raise ConfigurationError(
                expected="a network of two classes or more in evaluation mode, and a threshold", found=found, do=do
            )


def _rehearse(backbone: StagedPredictor, input_shape: tuple[int, ...]) -> tuple[list[int], int]:
    """Features gathered after each stage, and the number of outputs, from a copy's run on two images of noise.

    A stage after which they are the same for both counts 0: what is gathered there does not depend on the image.
    Parameters that the copy's head does not depend on stop asking for a gradient: processes that share a training
    would wait for it.
    """
    weight = next(backbone.parameters())
    x = torch.randn(2, *input_shape, generator=torch.Generator().manual_seed(0)).to(weight)
    copy = deepcopy(backbone).eval()
    with torch.no_grad():
        num_outputs = copy(x).shape[1]  # tells the layer that can't take such images
        expected = copy.features(x)
    widths = []
    for stage in copy.stages:
        x = stage(x)
        features = copy.gather(x)
        widths.append(0 if torch.equal(features[0], features[1]) else features.shape[1])
    if not torch.equal(features, expected):
        raise ConfigurationError(
            expected="a network whose features are gather(stages(x))",
            found=f"{a_kind(backbone)} that computes something else",
            do="put all of its computation into its stages",
        )
    outputs = copy.head(features).sum()
    if outputs.requires_grad:
        outputs.backward()
        for own, copied in zip(backbone.parameters(), copy.parameters(), strict=True):
            if copied.grad is None:
                own.requires_grad_(False)
    return widths, num_outputs


def _refuse_blind(backbone: StagedPredictor, at: Sequence[int], widths: Sequence[int]) -> None:
    """Refuse exits that would see no image."""
    names = [name for name, _ in backbone.stages.named_children()]
    blind = [k for k in at if not widths[k]]
    if blind:
        seeing = [f"{k} ({names[k]})" for k, width in enumerate(widths[:-1]) if width]
        raise ConfigurationError(
            expected="exits after stages whose features depend on the image",
            found=f"one after stage {blind[0]} ({names[blind[0]]}), where they are the same for every image",
            do=f"choose among {', '.join(seeing)}" if seeing else "take a network with inner stages",
        )


def even_exits(stages: int, exits: int) -> tuple[int, ...]:
    """Stages after which ``exits`` inner exits stand, evenly: ⌈k·stages/(exits + 1)⌉ − 1 for k = 1 … exits.

    Raises:
        ConfigurationError: when there are not that many inner stages.

    Example:
        >>> even_exits(4, 2)
        (1, 2)
    """
    if not 1 <= exits < stages:
        raise ConfigurationError(
            expected=f"from 1 to {stages - 1} exits inside a network of {stages} stages that see the image",
            found=f"exits = {exits}",
            do="choose fewer exits, or a network of more stages",
        )
    return tuple(ceil(k * stages / (exits + 1)) - 1 for k in range(1, exits + 1))


def _choice(text: str) -> Choice:
    """A model with its options from words such as "resnet depth=20 width=8"."""
    name, *words = text.split() or [""]
    options: dict[str, Any] = {}
    joined = name if re.search("[(,:;=]", name) else ""
    for word in [joined] if joined else words:
        key, _, value = word.partition("=")
        try:
            loaded = yaml.safe_load(value)
        except yaml.YAMLError:
            value = ""
        if joined or not value or value[-1] in ",;)":
            spaced = " ".join(part for part in re.split(r"[\s(),:;]+", text) if part)
            raise ConfigurationError(
                expected="backbone: a model's name, then its options as NAME=VALUE, with spaces between",
                found=repr(word),
                do=f"write it as in {spaced if re.fullmatch(_FORM, spaced) else 'resnet depth=20 width=8'!r}",
            )
        if key in options:
            raise ConfigurationError(
                expected=f"backbone: each option of {name!r} once", found=f"{key} twice", do=f"leave out one {key}"
            )
        options[key] = loaded
    return Choice(name, options)


_FORM = r"[\w-]+( \w+=[^\s=]+)+"
"""A name and options as :func:`_choice` takes them."""


_STAGES_ALONE = {"auxiliary_weight": 0.0, "mirror": False, "shift": False}
"""Options of networks that compute more than their stages and head, and the values that leave it out."""


def _stages_alone(choice: Choice) -> Choice:
    """The network without heads inside of its own and the like: the exits are on what every image goes through."""
    known = fields_of(MODELS[choice.name]) if choice.name in MODELS else {}
    without = {name: value for name, value in _STAGES_ALONE.items() if name in known}
    for name, value in without.items():
        if choice.options.get(name, value) != value:
            raise ConfigurationError(
                expected=f"backbone: {choice.name!r} with nothing beside its stages and its last head",
                found=f"{name} = {choice.options[name]}",
                do=f"leave {name} out",
            )
    return Choice(choice.name, {**choice.options, **without})


def _staged() -> list[str]:
    """Names of the registered models that are made of stages."""
    return [name for name in MODELS if _makes_stages(get_type_hints(MODELS[name]).get("return"))]


def _makes_stages(kind: Any) -> bool:
    """Whether all classes of a return type, one or a union, are networks of stages."""
    return all(isinstance(one, type) and issubclass(one, StagedPredictor) for one in get_args(kind) or [kind])


@model("early-exits")
def early_exits(
    schema: Schema,
    *,
    backbone: Annotated[
        str, Option("a model of stages by name, its options behind it: 'resnet' or 'resnet depth=20 width=8'")
    ] = "resnet",
    exits: Annotated[int, Option("exits inside, evenly spaced over the stages", minimum=1)] = 2,
    weight: Annotated[float, Option("what the loss of each inner exit counts beside the last one's 1", above=0)] = 1.0,
) -> EarlyExits:
    """Early exits on a network of stages (Teerapittayanon et al. 2016)."""
    require_images(schema, "early-exits")
    choice = resolve(_stages_alone(_choice(backbone)), MODELS, "backbone")
    network = MODELS[choice.name](schema, **choice.options)
    if not isinstance(network, StagedPredictor):
        raise ConfigurationError(
            expected=f"backbone: a model made of stages: {', '.join(_staged())}",
            found=repr(choice.name),
            do="name one of these",
        )
    seeing = [k for k, width in enumerate(_rehearse(network, schema.input_shape)[0]) if width]
    at = [seeing[k] for k in even_exits(len(seeing), exits)]
    return EarlyExits(backbone=network, at=at, input_shape=schema.input_shape, weight=weight)
