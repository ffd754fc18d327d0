"""Saved networks read back: our own, and other people's in the Hugging Face layout."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sightline.core.errors import CheckpointError, ConfigurationError, near
from sightline.core.kinds import require_kind, with_article
from sightline.core.schema import Task
from sightline.models.hugging_face import bart, bert, convnext, gpt2, resnet, t5, unet, vit
from sightline.models.hugging_face.diffusers import is_diffusers, load_unet
from sightline.models.hugging_face.fit import Convert, building, require_fit
from sightline.models.hugging_face.load import Source
from sightline.models.hugging_face.preprocessing import Preprocessing, read_labels, read_preprocessing
from sightline.models.hugging_face.text import load_text
from sightline.models.predictor import CLASS, Predictor
from sightline.models.text_predictor import TextPredictor

FAMILIES: dict[str, tuple[type[Predictor], Convert]] = {
    family.MODEL_TYPE: (family.MODEL, family.convert) for family in (bart, bert, convnext, gpt2, resnet, t5, vit)
}
"""Network and translation for each ``model_type`` of a config.json.

For images the translation gives all constructor arguments but ``num_outputs``, which the classifier's weights tell; for
text it gives all, and a weight that stands in two places under one of its names at least.
"""

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Pretrained:
    """A loaded network and what its checkpoint says of its classes, its images and its tokens.

    Args:
        predictor: the network, in evaluation mode.
        model_type: its family, as in config.json; the class's name, where it is one of our own.
        labels: class names in the order of the outputs; none where the checkpoint has none, or the head is new.
        preprocessing: size and standardisation of its images, as far as it says.
        tokenizer_json: the text of its tokenizer.json; none where there is none, and for images.
    """

    predictor: Predictor
    model_type: str
    labels: tuple[str, ...] | None
    preprocessing: Preprocessing
    tokenizer_json: str | None = None


def from_pretrained(
    source: str | Path, *, revision: str | None = None, num_outputs: int | None = None, task: Task | None = None
) -> Predictor:
    """A saved network, in evaluation mode: one of our own, or a checkpoint in the Hugging Face layout.

    Our own are found by the class's name in ``config.json``; a class of your own must be imported first. Of others, the
    families ResNet, ConvNeXt and ViT are known, of text GPT-2, BERT, T5 and BART, and of diffusers UNet2DModel, which
    ``sightline.generate.load_diffusion`` reads together with its schedule of noise. Only safetensors are read, theirs
    in one file or several, and every weight must fit; numbers become float32. Dropout and stochastic depth are those of
    the checkpoint; in ViT, dropout also follows the first of the two linear layers of a block, as in the paper.

    Args:
        source: a folder with ``config.json`` and ``model.safetensors``, or ``"hf:owner/name"``.
        revision: branch, tag or commit on the Hub.
        num_outputs: a fresh head with so many outputs instead of the checkpoint's, for fine-tuning; needed where it
            has none, but for text.
        task: what a fresh head on text is to predict; none: with ``num_outputs`` the class of a text, without it what
            the checkpoint's does.

    Raises:
        CheckpointError: when a file is missing or damaged, the weights are pickled, do not fit, or the network is
            one that we don't have.
        ConfigurationError: for a revision of a folder, fewer outputs than 1, or a task that the network has no head
            for.

    Lecture: V3, T6

    Example:
        >>> from_pretrained("no/such/folder")
        Traceback (most recent call last):
        sightline.core.errors.CheckpointError: expected: a folder with config.json and model.safetensors, ...
    """
    return load_pretrained(source, revision=revision, num_outputs=num_outputs, task=task).predictor


def load_pretrained(
    source: str | Path, *, revision: str | None = None, num_outputs: int | None = None, task: Task | None = None
) -> Pretrained:
    """As :func:`from_pretrained`, with class names, the images' standardisation and the tokenizer beside the network.

    Args:
        source: a folder, or ``"hf:owner/name"``.
        revision: branch, tag or commit on the Hub.
        num_outputs: a fresh head with so many outputs.
        task: what a fresh head on text is to predict.

    Raises:
        CheckpointError: as there.
        ConfigurationError: as there.

    Lecture: V3
    """
    folder = "give a folder, or 'hf:owner/name'"
    require_kind(source, (str, Path), "source", folder, expected="a folder or 'hf:owner/name', as text or a path")
    require_kind(revision, (str, type(None)), "revision", "leave it out for the main branch", expected="text")
    require_kind(num_outputs, (Integral, type(None)), "num_outputs", "count the classes", expected="a whole number")
    if num_outputs is not None and num_outputs < 1:
        raise ConfigurationError(expected="num_outputs of at least 1", found=str(num_outputs), do="count the classes")
    files = Source(source, revision)
    if is_diffusers(files):
        if num_outputs is not None or task is not None:
            raise ConfigurationError(
                expected=f"no num_outputs and no task for {files.name}, a denoiser",
                found=f"num_outputs = {num_outputs}, task = {task!r}",
                do="leave them out",
            )
        return Pretrained(load_unet(source, revision).network, unet.CLASS_NAME, None, Preprocessing())
    config = files.config()
    own = CLASS in config or config.get("model_type") is None
    network, convert = (_own_class(config, files.name), None) if own else _family(config, files.name)
    if issubclass(network, TextPredictor):
        text, labels = load_text(network, convert, files, num_outputs, task)
        kind = network.__name__ if convert is None else config["model_type"]
        return Pretrained(text, kind, labels, Preprocessing(), files.read_text(TOKENIZER))
    if task is not None:
        raise ConfigurationError(
            expected=f"no task for {files.name}, whose network is not for text",
            found=f"task = {task!r}",
            do="give num_outputs alone",
        )
    if convert is None:
        return Pretrained(_load_own(network, files, num_outputs), network.__name__, None, Preprocessing())
    model_type = config["model_type"]
    theirs = _prefixed(files.weights(), model_type)
    has_head = any(name.startswith("classifier.") for name in theirs)
    if not has_head and num_outputs is None:
        raise CheckpointError(
            expected=f"a classifier in {files.name}",
            found="the network before it only",
            do="give num_outputs for a fresh head, to be trained",
        )
    if num_outputs is not None:
        theirs = {name: weight for name, weight in theirs.items() if not name.startswith("classifier.")}
    predictor, weights = _built(network, convert, config, theirs, num_outputs, files.name)
    require_fit(predictor, weights, files.name)
    predictor.load_state_dict(weights)
    labels = read_labels(config, len(weights["head.weight"])) if num_outputs is None else None
    preprocessing = read_preprocessing(files.read_json("preprocessor_config.json") or {})
    return Pretrained(predictor.eval(), model_type, labels, preprocessing)


def _family(config: Mapping[str, Any], name: str) -> tuple[type[Predictor], Convert]:
    """Network and translation; what is known instead, where there is none."""
    model_type = config["model_type"]
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise CheckpointError(
            expected=f"a network that we have: {', '.join(sorted(FAMILIES))}",
            found=f"model_type {model_type!r} in config.json of {name}",
            do=near(str(model_type), FAMILIES),
        )
    if "quantization_config" in config:
        raise CheckpointError(
            expected=f"floating-point weights in {name}",
            found="quantization_config in config.json",
            do="choose a checkpoint that is not quantised",
        )
    return FAMILIES[model_type]


def _own_class(config: Mapping[str, Any], name: str) -> type[Predictor]:
    """The class that config.json names; where it names none, the only one that has just these arguments."""
    known = {kind.__name__: kind for kind in _below(Predictor) if kind.__init__ is not nn.Module.__init__}
    if CLASS in config:
        found = config[CLASS]
        if not isinstance(found, str) or found not in known:
            raise CheckpointError(
                expected=f"a network that we have, as the class in config.json of {name}",
                found=repr(found),
                do=f"import the module that defines it first; {near(str(found), known)}",
            )
        return known[found]
    arguments = {argument for argument in config if argument != "model_type"}
    fitting = [k for k in known.values() if arguments and arguments == set(inspect.signature(k).parameters)]
    if len(fitting) == 1:
        return fitting[0]
    raise CheckpointError(
        expected=f"model_type in config.json of {name}, or the class of one of our own networks",
        found="neither" + ("; several of our own networks have these arguments" if fitting else ""),
        do=" or ".join(f"{kind.__name__}.from_pretrained(…)" for kind in fitting) + " reads what it saved"
        if fitting
        else "give a checkpoint in the layout of Hugging Face, or a folder that save_pretrained wrote",
    )


def _below(base: type[Predictor]) -> list[type[Predictor]]:
    """All classes derived from one, in the order of their definition."""
    return [found for child in base.__subclasses__() for found in (child, *_below(child))]


def _load_own(network: type[Predictor], files: Source, num_outputs: int | None) -> Predictor:
    """What save_pretrained wrote, with a fresh head where ``num_outputs`` asks for one."""
    saved = network.from_pretrained(files.local_folder())
    if num_outputs is None:
        return saved
    arguments: Any = saved._hub_mixin_config or {}
    if "num_outputs" not in arguments:
        raise CheckpointError(
            expected=f"a network in {files.name} that is built for num_outputs",
            found=f"{with_article(network.__name__)}, which is not",
            do="load it as it is, and replace its head",
        )
    before = {name: weight for name, weight in saved.state_dict().items() if not name.startswith("head.")}
    predictor, weights = _built(
        network, lambda config, theirs: (dict(config), dict(theirs)), arguments, before, num_outputs, files.name
    )
    require_fit(predictor, weights, files.name)
    predictor.load_state_dict(weights)
    return predictor.eval()


def _prefixed(weights: Mapping[str, Tensor], model_type: str) -> dict[str, Tensor]:
    """Names as a whole classifier has them; a network saved without one leaves its own name out."""
    prefix = f"{model_type}."
    if any(name.startswith(prefix) for name in weights):
        return dict(weights)
    return {name if name.startswith("classifier.") else prefix + name: weight for name, weight in weights.items()}


def _built(
    network: type[Predictor],
    convert: Convert,
    config: Mapping[str, Any],
    theirs: Mapping[str, Tensor],
    num_outputs: int | None,
    name: str,
) -> tuple[Predictor, dict[str, Tensor]]:
    """The network with its first weights, and those it is to have; a fresh head keeps its first ones."""
    with building(network, name):
        arguments, weights = convert(config, theirs)
        if num_outputs is None:
            num_outputs = len(weights["head.weight"])
        predictor = network(**{**arguments, "num_outputs": num_outputs})
    if not any(key.startswith("head.") for key in weights):
        weights |= {key: weight for key, weight in predictor.state_dict().items() if key.startswith("head.")}
    return predictor, weights
