"""Forms a trained network is exported in: an ONNX file, and a torch program."""

import io
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, ClassVar

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from sightline.core.errors import ConfigurationError
from sightline.core.files import to_json

OPSET = 18
"""Version of ONNX's operators: onnxruntime reads it since 1.14 (2023)."""

METADATA = "sightline"
"""Under this key an ONNX file's metadata hold what the file beside it says; in a torch program ``sightline.json``."""

Runner = Callable[[Tensor], Tensor]


class ExportFormat(ABC):
    """One form: how a traced program becomes the bytes of a file, and how these are run again."""

    name: ClassVar[str]
    suffix: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """Whose versions decide what is in the file."""
    instead: ClassVar[str]
    """What a user can do where a network can't be exported in this form."""

    def versions(self) -> dict[str, str]:
        """Versions of the packages that wrote the file."""
        return {name: version(name) for name in ("sightline", *self.packages)}

    @abstractmethod
    def require(self) -> None:
        """Refuse where a package is not installed.

        Raises:
            ConfigurationError: naming the package and the command that installs it.
        """

    @abstractmethod
    def convert(self, program: ExportedProgram, input_name: str) -> Any:
        """The traced program in this form."""

    @abstractmethod
    def encode(self, converted: Any, facts: Mapping[str, Any]) -> bytes:
        """The file's content, the facts in its metadata."""

    @abstractmethod
    def load(self, content: bytes) -> Runner:
        """The file's program, run by the library that users of the file have."""

    def facts(self) -> dict[str, Any]:
        """What else is to be known of such a file."""
        return {"format": self.name, "versions": self.versions()}

    @contextmanager
    def telling_failures(self) -> Iterator[None]:
        """Whatever a library raises on the way from the traced program to its outputs, in Sightline's terms.

        Raises:
            ConfigurationError: with the innermost cause: the exporter's own message wraps it in pages of advice.
        """
        try:
            yield
        except Exception as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            raise ConfigurationError(
                expected=f"a model whose operations can all be written and run in the format {self.name!r}",
                found=f"{_first_line(cause)}; no file was kept",
                do=self.instead,
            ) from error


class TorchProgram(ExportFormat):
    """A ``.pt2`` file: ``torch.export.load(path).module()`` runs it without Sightline."""

    name = "torch"
    suffix = ".pt2"
    packages = ("torch",)
    instead = "export with --format onnx"

    def require(self) -> None:
        """Nothing: torch is always there."""

    def convert(self, program: ExportedProgram, input_name: str) -> ExportedProgram:
        """The program as it is: it takes its input by place."""
        return program

    def encode(self, converted: Any, facts: Mapping[str, Any]) -> bytes:
        """The program as torch saves it, the facts with it as ``sightline.json``."""
        content = io.BytesIO()
        torch.export.save(converted, content, extra_files={f"{METADATA}.json": to_json(dict(facts), indent=1)})
        return content.getvalue()

    def load(self, content: bytes) -> Runner:
        """The program's module."""
        module = torch.export.load(io.BytesIO(content)).module()

        def run(inputs: Tensor) -> Tensor:
            with torch.no_grad():
                outputs: Tensor = module(inputs)
            return outputs

        return run


class Onnx(ExportFormat):
    """An ``.onnx`` file, for onnxruntime and other engines."""

    name = "onnx"
    suffix = ".onnx"
    packages = ("torch", "onnx", "onnxscript", "onnxruntime")
    instead = "export with --format torch"

    def require(self) -> None:
        """Refuse where onnx, onnxscript or onnxruntime is not installed."""
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise ConfigurationError(
                expected="the packages onnx, onnxscript and onnxruntime, which write and check ONNX files",
                found=f"no {error.name or 'such package'}",
                do="pip install onnx onnxscript onnxruntime, or export with --format torch",
            ) from error

    def facts(self) -> dict[str, Any]:
        """Format, versions and operator set."""
        return super().facts() | {"opset": OPSET}

    def convert(self, program: ExportedProgram, input_name: str) -> Any:
        """The graph in ONNX's operators, with inputs and outputs by name."""
        with _quiet_exporter():
            exported = torch.onnx.export(
                program,
                input_names=[input_name],
                output_names=["outputs"],
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
        assert exported is not None
        graph = exported.model_proto
        # what the exporter notes of each node for its own search for faults, the paths of source files too
        for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.input, *graph.graph.output):
            del part.metadata_props[:]
        for part in (*graph.graph.input, *graph.graph.output):
            part.type.tensor_type.shape.dim[0].dim_param = "batch"
        del graph.graph.value_info[:], graph.graph.metadata_props[:]
        return graph

    def encode(self, converted: Any, facts: Mapping[str, Any]) -> bytes:
        """The graph's protocol buffer, the facts in its metadata under ``sightline``."""
        del converted.metadata_props[:]
        entry = converted.metadata_props.add()
        entry.key, entry.value = METADATA, to_json(dict(facts))
        content: bytes = converted.SerializeToString(deterministic=True)
        return content

    def load(self, content: bytes) -> Runner:
        """The graph in onnxruntime, on the CPU."""
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        return lambda inputs: torch.from_numpy(session.run(["outputs"], {given.name: inputs.numpy()})[0])


FORMATS: dict[str, ExportFormat] = {form.name: form for form in (Onnx(), TorchProgram())}


def trace(program: nn.Module, example: Shaped[Tensor, "batch ..."]) -> ExportedProgram:
    """The graph of a module for any batch size, with nothing in it of where its source lies.

    Args:
        program: the module, in evaluation mode.
        example: inputs of the right shape, two examples at least; they are kept in a torch program.

    Raises:
        ConfigurationError: when the module's computation depends on its inputs' values or on the batch size.
    """
    try:
        with torch.no_grad():
            traced = torch.export.export(program, (example,), dynamic_shapes=({0: Dim("batch")},))
    except Exception as error:
        raise ConfigurationError(
            expected="a model whose steps are the same for all inputs and batch sizes",
            found=_first_line(error),
            do="use torch operations instead of Python's `if`, `int()` and `.item()` on tensors, in evaluation mode",
        ) from error
    for node in traced.graph.nodes:
        node.meta.pop("stack_trace", None)
    return traced


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without the exporter's words on packages it does not need and on its own deprecated calls."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)  # "torchvision is not installed"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated", FutureWarning)
            yield
    finally:
        log.setLevel(level)
