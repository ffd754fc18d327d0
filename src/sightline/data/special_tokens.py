"""Special tokens: what each stands for, how it is written, and how ordinary text is kept from becoming one."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

ROLES = ("pad", "unknown", "begin", "end", "mask", "classify", "separator")
"""What a special token can stand for, beside a span left out (see ``TextSchema``)."""

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "pad": ("<pad>", "[PAD]", "<|pad|>"),
    "unknown": ("<unk>", "[UNK]"),
    "begin": ("<s>", "<|endoftext|>", "[CLS]"),
    "end": ("</s>", "<|endoftext|>", "[SEP]"),
    "mask": ("<mask>", "[MASK]", "<|mask|>"),
    "classify": ("[CLS]", "<s>", "<|endoftext|>"),
    "separator": ("[SEP]", "</s>", "<|endoftext|>"),
}
"""How BERT, GPT-2, T5, BART and our own tokenisers write each; the first that a vocabulary has is meant."""

HUB_NAMES = {
    "pad_token": "pad",
    "unk_token": "unknown",
    "bos_token": "begin",
    "eos_token": "end",
    "mask_token": "mask",
    "cls_token": "classify",
    "sep_token": "separator",
}
"""Fields of ``tokenizer_config.json`` and ``special_tokens_map.json``."""

ROLE_MARK = "roles"
"""Field of an added token in our tokenizer.json: what it stands for, where its name does not tell."""

SENTINEL = re.compile(r"<extra_id_(\d+)>")


def names_of(kind: str, sentinels: int) -> tuple[str, ...]:
    """The special tokens of a tokenizer that is trained here, in the order of their ids.

    Args:
        kind: characters, words, bpe or wordpiece.
        sentinels: how many spans can be left out of one text.

    Lecture: W1

    Example:
        >>> names_of("bpe", 2)
        ('<|endoftext|>', '<|pad|>', '<|mask|>', '<extra_id_0>', '<extra_id_1>')
    """
    common = {
        "bpe": ("<|endoftext|>", "<|pad|>", "<|mask|>"),
        "wordpiece": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    }.get(kind, ("<pad>", "<unk>", "<s>", "</s>", "<mask>"))
    return (*common, *(f"<extra_id_{i}>" for i in range(sentinels)))


def roles_of(special: Mapping[str, int], unknown: str | None, named: Mapping[str, str]) -> dict[str, int]:
    """The id of each role that a vocabulary has a token for.

    What is named goes before what is known. The unknown token is the one that the tokenizer's model really gives; GPT-2
    gives none, though its files name one.

    Args:
        special: the special tokens with their ids.
        unknown: the token that the model gives for what it does not know.
        named: tokens named for a role, by role.

    Example:
        >>> roles_of({"<|endoftext|>": 9}, None, {"unknown": "<|endoftext|>"})
        {'begin': 9, 'end': 9, 'classify': 9, 'separator': 9}
    """
    roles = {}
    for role in ROLES:
        choices = [*((named[role],) if role in named else ()), *KNOWN_NAMES[role]]
        if role == "unknown":
            ends = {named.get("begin"), named.get("end"), *KNOWN_NAMES["begin"], *KNOWN_NAMES["end"]}
            choices = [*((unknown,) if unknown else ()), *(name for name in choices if name not in ends)]
        found = next((special[name] for name in choices if name in special), None)
        if found is not None:
            roles[role] = found
    return roles


def sentinels_of(special: Mapping[str, int]) -> tuple[int, ...]:
    """Ids of ``<extra_id_0>``, ``<extra_id_1>`` … in the order of their numbers.

    Example:
        >>> sentinels_of({"<extra_id_10>": 4, "<extra_id_2>": 5, "<pad>": 0})
        (5, 4)
    """
    numbered = ((SENTINEL.fullmatch(name), token) for name, token in special.items())
    return tuple(token for _, token in sorted((int(match[1]), token) for match, token in numbered if match))


def unknown_of(model: Mapping[str, Any]) -> str | None:
    """The token that a tokenizer.json's model gives for what it does not know.

    Args:
        model: the object ``model`` of the file.
    """
    vocabulary, place = model.get("vocab"), model.get("unk_id")
    if isinstance(vocabulary, list):
        return str(vocabulary[place][0]) if isinstance(place, int) else None
    return model.get("unk_token") or None


def with_roles(saved: Mapping[str, Any], named: Mapping[str, str], ids: Mapping[str, int]) -> dict[str, Any]:
    """A tokenizer.json that says itself what its tokens stand for, so that no other file is needed.

    Args:
        saved: the file.
        named: the token of each role.
        ids: of these tokens.
    """
    given = {entry["content"]: entry for entry in saved.get("added_tokens") or []}
    for name in dict.fromkeys(named.values()):
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        mine = [role for role in ROLES if named.get(role) == name]
        given[name] = {
            "id": ids[name],
            "content": name,
            **plain,
            **given.get(name, {}),
            "special": True,
            ROLE_MARK: mine,
        }
    return {**saved, "added_tokens": sorted(given.values(), key=lambda entry: entry["id"])}


def named_in(saved: Mapping[str, Any]) -> dict[str, str]:
    """The token of each role, as far as :func:`with_roles` wrote it."""
    added = saved.get("added_tokens") or []
    marked = ((entry["content"], entry.get(ROLE_MARK)) for entry in added)
    return {role: name for name, roles in marked if isinstance(roles, list) for role in ROLES if role in roles}


def without_special(saved: Mapping[str, Any], special: Iterable[str]) -> dict[str, Any]:
    """A tokenizer.json with the same ids, that makes none of the special tokens out of the letters of a text.

    Those tokens of the model's vocabulary get a name with U+FFFF at both ends, which Unicode reserves for no character;
    merges that would build one are left out.

    Args:
        saved: the file.
        special: the special tokens.
    """
    model = saved["model"]
    vocabulary = model["vocab"]
    inside = set(special) & ({piece for piece, _ in vocabulary} if isinstance(vocabulary, list) else set(vocabulary))
    hidden = {name: f"\uffff{name}\uffff" for name in inside}
    changed = dict(model)
    if isinstance(vocabulary, list):
        changed["vocab"] = [[hidden.get(piece, piece), score] for piece, score in vocabulary]
    else:
        changed["vocab"] = {hidden.get(name, name): token for name, token in vocabulary.items()}
    if model.get("unk_token"):
        changed["unk_token"] = hidden.get(model["unk_token"], model["unk_token"])
    if "merges" in model:
        changed["merges"] = [merge for merge in model["merges"] if not _touches(merge, inside)]
    added = [entry for entry in saved.get("added_tokens") or [] if entry["content"] not in inside]
    return {**saved, "model": changed, "added_tokens": added}


def _touches(merge: str | list[str], names: set[str]) -> bool:
    """Whether a merge, written "a b" or [a, b], takes or gives one of the names."""
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    return left in names or right in names or left + right in names
