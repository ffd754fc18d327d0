"""The files of a checkpoint in the Hugging Face layout, from a folder or from the Hub; safetensors only."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sightline.core.checkpoint import read_mark
from sightline.core.errors import CheckpointError, ConfigurationError
from sightline.core.kinds import a_kind

PREFIX = "hf:"
WEIGHTS = constants.SAFETENSORS_SINGLE_FILE
PICKLED = (
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.bin",
    "tf_model.h5",
    "flax_model.msgpack",
)


class Source:
    """Where a checkpoint's files are: ``hf:owner/name``, fetched and kept by ``huggingface_hub``, or a folder.

    Args:
        name: the one or the other.
        revision: branch, tag or commit on the Hub; none: its main branch.
        weights_name: the file of the weights.
        part: the folder within it that all is read from; empty: itself.

    Raises:
        CheckpointError: when there is no such folder.
        ConfigurationError: for a revision of a folder.
    """

    def __init__(
        self, name: str | Path, revision: str | None = None, *, weights_name: str = WEIGHTS, part: str = ""
    ) -> None:
        self.name, self.revision = str(name), revision
        self.weights_name, self.part = weights_name, part
        self.repository = self.name.removeprefix(PREFIX) if self.name.startswith(PREFIX) else None
        self.folder = _marked(Path(name))
        self.reason = ""
        if self.repository is None and revision is not None:
            raise ConfigurationError(
                expected=f"no revision for the folder {self.name}", found=repr(revision), do="a revision is the Hub's"
            )
        if self.repository is None and not self.folder.is_dir():
            raise CheckpointError(
                expected="a folder with config.json and model.safetensors, or 'hf:owner/name'",
                found=f"{self.name}, which is " + ("a file" if self.folder.exists() else "not there"),
                do="give the folder's path, or put 'hf:' before the name of a checkpoint on the Hub",
            )

    def find(self, file: str) -> Path | None:
        """A file of the checkpoint on this machine; none where it has no such file.

        Raises:
            CheckpointError: when the Hub does not know the checkpoint or can't be reached.
        """
        if self.repository is None:
            path = self.folder / self.part / file
            return path if path.is_file() else None
        try:
            inside = f"{self.part}/{file}" if self.part else file
            return Path(hf_hub_download(self.repository, inside, revision=self.revision))
        except EntryNotFoundError as error:
            self.reason = _line(error)
            return None
        except Exception as error:  # the Hub and the network raise their own
            raise CheckpointError(
                expected=f"the checkpoint {self.repository!r} from the Hugging Face Hub",
                found=f"{type(error).__name__}: {_line(error)}",
                do="check the name, the revision and the network; a local folder is given by its path",
            ) from error

    def read_json(self, file: str) -> dict[str, Any] | None:
        """A JSON file's object; none where the checkpoint has no such file.

        Raises:
            CheckpointError: when the file holds anything else.
        """
        path = self.find(file)
        if path is None:
            return None
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, OSError, RecursionError) as error:
            raise self._damaged(file, _line(error)) from error
        if not isinstance(content, dict):
            raise self._damaged(file, f"{a_kind(content)} instead of an object")
        return content

    def read_text(self, file: str) -> str | None:
        """A file's text in UTF-8; none where the checkpoint has no such file.

        Raises:
            CheckpointError: when it can't be read.
        """
        path = self.find(file)
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8")
        except (ValueError, OSError) as error:
            raise self._damaged(file, _line(error)) from error

    def config(self) -> dict[str, Any]:
        """What ``config.json`` says.

        Raises:
            CheckpointError: when it is not there or damaged.
        """
        config = self.read_json(constants.CONFIG_NAME)
        if config is None:
            raise CheckpointError(
                expected=f"config.json in {self._place}",
                found=self.reason or "none",
                do="give the folder that save_pretrained wrote; check the network for one on the Hub",
            )
        return config

    def local_folder(self) -> Path:
        """The folder on this machine that holds ``model.safetensors``, with the checkpoint's other files.

        Raises:
            CheckpointError: when there are no such weights.
        """
        weights = self.find(self.weights_name)
        if weights is None:
            raise self._without_weights()
        return weights.parent

    def weights(self) -> dict[str, Tensor]:
        """All weights under the checkpoint's names, from one file or from all those of its index.

        Raises:
            CheckpointError: when they are not there, damaged, incomplete, or pickled.
        """
        index = None
        single = self.find(self.weights_name)
        if single is None:
            index = self.read_json(self._index)
            if index is None:
                raise self._without_weights()
        return self._read(single) if single is not None else self._shards(index or {})

    @property
    def _index(self) -> str:
        """The file that tells which weight is in which of several files."""
        return f"{self.weights_name}.index.json"

    def _shards(self, index: Mapping[str, Any]) -> dict[str, Tensor]:
        """The weights of every file that the index names, each where it says."""
        place = index.get("weight_map")
        if not isinstance(place, dict) or not all(isinstance(file, str) for file in place.values()):
            raise self._damaged(self._index, "no weight_map of names and files")
        weights: dict[str, Tensor] = {}
        for file in sorted(set(place.values())):
            if Path(file).name != file or not file.endswith(".safetensors"):
                raise self._damaged(self._index, f"the file name {file!r}")
            path = self.find(file)
            if path is None:
                raise self._damaged(file, self.reason or "no such file, though the index names it")
            shard = self._read(path)
            weights |= {name: weight for name, weight in shard.items() if place.get(name) == file}
        missing = sorted(set(place) - set(weights))
        if missing:
            raise self._damaged(place[missing[0]], f"no weight {missing[0]!r}, though the index names it")
        return weights

    def _read(self, path: Path) -> dict[str, Tensor]:
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise self._damaged(path.name, _line(error)) from error

    def _without_weights(self) -> CheckpointError:
        pickled = [file for file in PICKLED if self.find(file) is not None]
        if not pickled:
            return CheckpointError(
                expected=f"{self.weights_name} in {self._place}",
                found=self.reason or f"neither that nor {self._index}",
                do="give the folder that save_pretrained wrote",
            )
        return CheckpointError(
            expected=f"{self.weights_name} in {self._place}",
            found=f"{pickled[0]} only, and reading a pickle can run any program that is hidden in it"
            if pickled[0].endswith((".bin", ".bin.index.json"))
            else f"{pickled[0]} only",
            do="if you trust its author, read it with diffusers and write it again: save_pretrained(folder) gives "
            "safetensors"
            if pickled[0].startswith("diffusion")
            else "if you trust its author, read it with transformers and write it again: "
            "AutoModelForImageClassification.from_pretrained(…).save_pretrained(folder) gives safetensors, "
            "and so do AutoModelForCausalLM and the others",
        )

    @property
    def _place(self) -> str:
        return f"{self.name}/{self.part}" if self.part else self.name

    def _damaged(self, file: str, found: str) -> CheckpointError:
        return CheckpointError(
            expected=f"{file} of {self._place}, whole and readable", found=found, do="fetch the checkpoint anew"
        )


def _marked(path: Path) -> Path:
    """The checkpoint's folder where a run's mark is named, "best" or "last": a small file with the folder's name."""
    name = read_mark(path)
    return path.parent / name if name and (path.parent / name).is_dir() else path


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
