"""Saved tokenisers: a tokenizer.json from a folder, by itself, or from the Hub."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.core.errors import DataError
from sightline.core.kinds import a_kind
from sightline.data.special_tokens import HUB_NAMES

if TYPE_CHECKING:
    import tokenizers

PREFIX = "hf:"
FILE = "tokenizer.json"
NAMES_FILES = ("tokenizer_config.json", "special_tokens_map.json")
OLDER = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
"""What a folder has instead, where its tokenizer was never saved in one file."""


def read_saved(source: str | Path) -> tuple[str, dict[str, str]]:
    """A tokenizer.json, and the tokens that the files beside it name for a role.

    Nothing but these JSON files is read; no pickle, and no program of theirs.

    Args:
        source: a folder, the file itself, or ``"hf:owner/name"``.

    Returns:
        The file's text; for each role the token named.

    Raises:
        DataError: when there is no such file, or it can't be read.

    Lecture: W1
    """
    files = _Files(source)
    path = files.find(FILE)
    if path is None:
        older = None if files.reason else next((file for file in OLDER if files.find(file) is not None), None)
        raise DataError(
            expected=f"{FILE} in {source}",
            found=f"{older}, an older form" if older else files.reason or "no such file",
            do="read it with transformers.AutoTokenizer.from_pretrained, and write it again with its save_pretrained"
            if older
            else "give a folder with tokenizer.json, the file itself, or 'hf:owner/name'",
        )
    named: dict[str, str] = {}
    for file in NAMES_FILES:
        beside = files.find(file)
        named |= _names(read_object(_text(beside), str(beside))) if beside is not None else {}
    return _text(path), named


def read_object(text: str, where: str) -> dict[str, Any]:
    """A JSON object.

    Args:
        text: of the file.
        where: the file's name, for messages.

    Raises:
        DataError: when it is anything else.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(where, str(error)) from error
    if not isinstance(content, dict):
        raise damaged(where, f"{a_kind(content)} instead of an object")
    return content


def damaged(where: str, found: str) -> DataError:
    """The three-part error for a file that can't be used."""
    return DataError(
        expected=f"a whole tokenizer file {where}, as the library tokenizers writes it",
        found=" ".join(found.split())[:300],
        do="fetch or write the file again",
    )


def plain_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """A tokenizer.json without what cuts, fills or leaves anything to chance."""
    model = content.get("model")
    plain = {**content, "truncation": None, "padding": None}
    return {**plain, "model": {**model, "dropout": None}} if isinstance(model, dict) and "dropout" in model else plain


def build(content: Mapping[str, Any], where: str) -> "tokenizers.Tokenizer":
    """The library's tokenizer."""
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the library raises nothing narrower
        raise damaged(where, str(error)) from error


def check_added(content: Mapping[str, Any], vocabulary: Mapping[str, int], where: str) -> None:
    """The library numbers added tokens itself: refuse a file that says otherwise."""
    for entry in content.get("added_tokens") or []:
        name, stated = entry["content"], entry["id"]
        if vocabulary.get(name) != stated:
            raise damaged(
                where, f"added token {name!r} as number {stated}, where number {vocabulary.get(name)} is next"
            )


def _names(content: dict[str, Any]) -> dict[str, str]:
    """The token of each role; a token is written as its text, or as an object with more about it."""
    tokens = {HUB_NAMES[field]: value for field, value in content.items() if field in HUB_NAMES}
    plain = {role: value.get("content") if isinstance(value, dict) else value for role, value in tokens.items()}
    return {role: value for role, value in plain.items() if isinstance(value, str) and value}


class _Files:
    """Where a tokenizer's files are: a folder, one file alone, or the Hub, which keeps them in its own cache.

    Args:
        source: as in :func:`read_saved`.
    """

    def __init__(self, source: str | Path) -> None:
        name = str(source)
        self.repository = name.removeprefix(PREFIX) if name.startswith(PREFIX) else None
        self.path = Path(source)
        self.reason = ""

    def find(self, file: str) -> Path | None:
        """A file on this machine; none where there is none, or where the Hub can't be asked for it."""
        if self.repository is None:
            found = self.path / file if self.path.is_dir() else self.path
            return found if found.is_file() and (self.path.is_dir() or file == FILE) else None
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        try:
            return Path(hf_hub_download(self.repository, file))
        except LocalEntryNotFoundError as error:
            self.reason = _line(error)
            return None
        except EntryNotFoundError:
            return None
        except Exception as error:  # the Hub and the network raise their own
            raise DataError(
                expected=f"the tokenizer of {self.repository!r} from the Hugging Face Hub",
                found=f"{type(error).__name__}: {_line(error)}",
                do="check the name and the network; a local folder is given by its path",
            ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(str(path), str(error)) from error
