"""Files of tokenisers: those that ``transformers`` writes are read here, and ours there, with the same ids."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import tokenizers
import transformers
from huggingface_hub import errors

from sightline.core.errors import DataError
from sightline.data.special_tokens import ROLES
from sightline.data.tokenizer import Tokenizer
from sightline.data.train_tokenizer import train_tokenizer

reference: Any = transformers
TEXTS = ["the low lower lowest", "a newer, slower sea!", " two  spaces\nand a line", "", "Ünknown 東京 😀"]
BYTES = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
MERGES = [("l", "o"), ("lo", "w"), ("Ġ", "low"), ("e", "r"), ("t", "h"), ("th", "e")]
JOINED = [left + right for left, right in MERGES]


def numbered(*names: str) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}


def bert() -> Any:
    letters = "abcdefghijklmnopqrstuvwxyz,!"
    vocabulary = numbered("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters,
                          *(f"##{letter}" for letter in letters), "low", "##er", "##est", "the")  # fmt: skip
    return reference.BertTokenizer(vocab=vocabulary)


def gpt2() -> Any:
    return reference.GPT2Tokenizer(vocab=numbered(*BYTES, *JOINED, "<|endoftext|>"), merges=MERGES)


def bart() -> Any:
    vocabulary = numbered("<s>", "<pad>", "</s>", "<unk>", *BYTES, *JOINED, "<mask>")
    return reference.BartTokenizer(vocab=vocabulary, merges=MERGES)


def t5() -> Any:
    pieces = ["▁", "▁the", "▁low", "er", "est", "/", "s", ">", *"abcdefghijklmnopqrtuvwxyz,!_0123"]
    scored = [(piece, -1.0 - i / 8) for i, piece in enumerate(pieces)]
    ends = [(name, 0.0) for name in ("<pad>", "</s>", "<unk>")]
    sentinels = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(3))]
    return reference.T5Tokenizer(vocab=[*ends, *scored, *sentinels], extra_ids=3)


FAMILIES: dict[str, tuple[Callable[[], Any], str, dict[str, str]]] = {
    "bert": (bert, "wordpiece", {"pad": "[PAD]", "unknown": "[UNK]", "begin": "[CLS]", "end": "[SEP]",
                                 "mask": "[MASK]", "classify": "[CLS]", "separator": "[SEP]"}),
    "gpt2": (gpt2, "bpe", dict.fromkeys(("begin", "end", "classify", "separator"), "<|endoftext|>")),
    "bart": (bart, "bpe", {"pad": "<pad>", "unknown": "<unk>", "begin": "<s>", "end": "</s>", "mask": "<mask>",
                           "classify": "<s>", "separator": "</s>"}),
    "t5": (t5, "unigram", {"pad": "<pad>", "unknown": "<unk>", "end": "</s>", "separator": "</s>"}),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("with_names", [True, False])
def test_a_published_familys_folder(family: str, with_names: bool, tmp_path: Path) -> None:
    make, kind, names = FAMILIES[family]
    theirs = make()
    theirs.save_pretrained(tmp_path)
    if not with_names:
        for file in tmp_path.iterdir():
            if file.name != "tokenizer.json":
                file.unlink()
    ours = Tokenizer.load(tmp_path)
    assert ours.kind == kind
    assert ours.vocabulary_size == len(theirs)
    assert {role: ours.special(role) for role in ROLES} == {
        role: theirs.convert_tokens_to_ids(names[role]) if role in names else None for role in ROLES
    }
    for text in TEXTS:
        assert ours.encode(text) == theirs(text, add_special_tokens=False)["input_ids"]
        assert ours.encode(text) == theirs.backend_tokenizer.encode(text, add_special_tokens=False).ids
        ids = theirs(text)["input_ids"]
        assert ours.decode(ids) == theirs.backend_tokenizer.decode(ids)
        assert ours.decode(ids, special=True) == theirs.backend_tokenizer.decode(ids, skip_special_tokens=False)
    assert [ids.tolist() for ids in ours.encode_batch(TEXTS)] == [ours.encode(text) for text in TEXTS]
    known = ours.encode("the lower")
    assert "".join(ours.pieces(known)).replace("##", "").replace(" ", "") == "thelower"
    assert Tokenizer.from_json(ours.to_json()).encode(TEXTS[0]) == ours.encode(TEXTS[0])
    assert Tokenizer.load(tmp_path / "tokenizer.json").special_tokens == ours.special_tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_the_letters_of_a_published_special_token_are_letters(family: str) -> None:
    theirs = FAMILIES[family][0]()
    ours = Tokenizer.from_json(theirs.backend_tokenizer.to_str())
    assert len(ours.special_tokens) >= len(set(FAMILIES[family][2].values())) + len(ours.sentinels)
    unknown = ours.special("unknown")
    for name, token in ours.special_tokens.items():
        text = f"low{name} {name}"
        assert not (set(ours.encode(text)) & set(ours.special_tokens.values())) - {unknown}
        assert ours.encode(text, special=True) == theirs(text, add_special_tokens=False)["input_ids"]
        assert ours.encode(text, special=True).count(token) >= 2
        if family in ("gpt2", "bart"):
            assert ours.decode(ours.encode(text)) == text


def test_the_unknown_token_is_the_one_that_the_model_gives() -> None:
    """Under whatever name, and though the file does not call it special."""
    for theirs, number in ((t5(), 2), (bert(), 2)):
        content = json.loads(theirs.backend_tokenizer.to_str().replace("<unk>", "??!").replace("[UNK]", "??!"))
        content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["content"] != "??!"]
        ours = Tokenizer.from_json(json.dumps(content))
        assert ours.special("unknown") == number
        assert "??!" in ours.special_tokens
        assert number in ours.encode("東")
        assert ours.decode([number, *ours.encode("low")]) == "low"


def test_sentinels_are_in_the_order_of_their_numbers() -> None:
    theirs = t5()
    ours = Tokenizer.from_json(theirs.backend_tokenizer.to_str())
    assert ours.sentinels == tuple(theirs.convert_tokens_to_ids([f"<extra_id_{i}>" for i in range(3)]))
    assert ours.sentinels[0] == ours.vocabulary_size - 1
    assert ours.pieces(ours.encode("the lower")) == [" the", " low", "er"]
    assert ours.text_schema(8).sentinels == ours.sentinels


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", ["characters", "words", "bpe", "wordpiece"])
def test_transformers_reads_our_file_to_the_same_ids(kind: str, lowercase: bool, tmp_path: Path) -> None:
    ours = train_tokenizer(kind, TEXTS, vocabulary_size=320, lowercase=lowercase, sentinels=2)
    (tmp_path / "tokenizer.json").write_text(ours.to_json())
    theirs: Any = reference.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert len(theirs) == ours.vocabulary_size
    for text in [*TEXTS, "The SEA, quite unknown: żółw!"]:
        assert ours.encode(text) == theirs(text)["input_ids"]
        assert ours.decode(ours.encode(text)) == theirs.backend_tokenizer.decode(ours.encode(text))


def test_what_only_the_files_beside_it_name_is_kept_in_ours(tmp_path: Path) -> None:
    saved = json.loads(gpt2().backend_tokenizer.to_str())
    saved["model"]["vocab"] |= {"<fill>": 263, "<turn>": 264}
    saved["added_tokens"].append(
        {**saved["added_tokens"][0], "id": 264, "content": "<turn>", "special": False, "lstrip": True}
    )
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))
    config = {"eos_token": {"content": "<turn>", "lstrip": False}, "pad_token": "<fill>", "unk_token": "<|endoftext|>",
              "bos_token": None, "mask_token": "<nowhere>", "model_max_length": 5}  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    ours = Tokenizer.load(tmp_path)
    again = Tokenizer.from_json(ours.to_json())
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
    mapped = Tokenizer.load(tmp_path)
    assert mapped.special("end") == 262
    for tokenizer in (ours, again):
        assert {role: tokenizer.special(role) for role in ROLES} == {
            "pad": 263, "unknown": None, "begin": 262, "end": 264, "mask": None, "classify": 262, "separator": 262,
        }  # fmt: skip
        assert sorted(tokenizer.special_tokens.values()) == [262, 263, 264]
        assert tokenizer.decode(tokenizer.encode("low <turn><fill>")) == "low <turn><fill>"
        assert tokenizer.decode([*tokenizer.encode("low"), 264, 263]) == "low"
        assert tokenizer.encode("<fill>a <turn>", special=True)[::2] == [263, 264]
    (tmp_path / "own.json").write_text(ours.to_json())
    theirs: Any = reference.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "own.json"))
    assert theirs("low<turn>")["input_ids"] == ours.encode("low<turn>", special=True)
    assert Tokenizer.load(tmp_path / "own.json").special("end") == 264


def changed(theirs: Any, **fields: Any) -> Tokenizer:
    content = json.loads(theirs.backend_tokenizer.to_str())
    content["model"] |= fields.pop("model", {})
    return Tokenizer.from_json(json.dumps(content | fields))


def test_a_text_is_never_cut_filled_or_left_to_chance() -> None:
    theirs = bert()
    plain = Tokenizer.from_json(theirs.backend_tokenizer.to_str())
    theirs.backend_tokenizer.enable_truncation(3)
    theirs.backend_tokenizer.enable_padding(length=40)
    cut = Tokenizer.from_json(theirs.backend_tokenizer.to_str())
    for special in (False, True):
        assert cut.encode(TEXTS[0], special=special) == plain.encode(TEXTS[0], special=special)
    assert [a.tolist() for a in cut.encode_batch(TEXTS)] == [a.tolist() for a in plain.encode_batch(TEXTS)]
    dropping = changed(gpt2(), model={"dropout": 0.5})
    sure = Tokenizer.from_json(gpt2().backend_tokenizer.to_str())
    for special in (False, True):
        assert {tuple(dropping.encode(TEXTS[0] * 4, special=special)) for _ in range(5)} == {
            tuple(sure.encode(TEXTS[0] * 4))
        }


def test_merges_do_not_build_a_special_token() -> None:
    names = ["<|", "endoftext", "|>", "<|endoftext", "<|endoftext|>"]
    letters = [("e", "n"), ("en", "d"), ("end", "o"), ("endo", "f"), ("endof", "t"), ("endoft", "e"), ("endofte", "x"),
               ("endoftex", "t"), ("<", "|"), ("|", ">"), ("<|", "endoftext"), ("<|endoftext", "|>")]  # fmt: skip
    names = [left + right for left, right in letters]
    content = json.loads(reference.GPT2Tokenizer(
        vocab=numbered(*BYTES, *names), merges=letters).backend_tokenizer.to_str())  # fmt: skip
    content["pre_tokenizer"]["use_regex"] = False
    for merges in (letters, [" ".join(pair) for pair in letters]):
        content["model"]["merges"] = merges
        ours = Tokenizer.from_json(json.dumps(content))
        assert ours.encode("<|endoftext|>", special=True) == [267]
        assert ours.pieces(ours.encode("<|endoftext|>")) == ["<|endoftext", "|>"]


def test_a_tokenizer_without_an_unknown_token_says_what_it_lacks() -> None:
    content = json.loads(t5().backend_tokenizer.to_str())
    content["model"]["unk_id"] = None
    ours = Tokenizer.from_json(json.dumps(content))
    assert ours.special("unknown") == 2
    with pytest.raises(DataError, match=r"a token for every part of the text\n.*unk"):
        ours.encode("東京")
    with pytest.raises(DataError, match="a token for every part"):
        ours.encode_batch(["low", "東京"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "Expecting property name"),
        ("[1]", "a list instead of an object"),
        ("{}", "a whole tokenizer file"),
        ('{"model": {"type": "Cube"}}', "a whole tokenizer file"),
        ('{"model": {"type": "BPE", "vocab": {}, "merges": []}}', "no token in it"),
        ('{"model": {"type": "BPE", "vocab": {"a": 4294967295}, "merges": []}}', "number 4,294,967,295"),
        (b"\xff\xfe{}", "can't decode byte 0xff"),
        ("[" * 100_000, "recursion|a list"),
    ],
)
def test_damaged_files(content: str | bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=words) as caught:
        Tokenizer.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.do == "fetch or write the file again"


def test_an_added_token_under_another_number_is_refused() -> None:
    content = json.loads(gpt2().backend_tokenizer.to_str())
    content["added_tokens"].append({**content["added_tokens"][0], "id": 280, "content": "<far>"})
    with pytest.raises(DataError, match="'<far>' as number 280, where number 263 is next"):
        Tokenizer.from_json(json.dumps(content))
    content["added_tokens"][-1]["id"] = 263
    content["added_tokens"].append({**content["added_tokens"][0], "id": 264, "content": "low low", "special": False})
    ours = Tokenizer.from_json(json.dumps(content))
    assert ours.vocabulary_size == 265
    assert ours.encode("<far>low low", special=True) == [263, 264]
    assert not {263, 264} & set(ours.encode("<far>"))
    assert ours.encode("low low") == [264]
    assert ours.decode([264, 263, 264]) == "low lowlow low"


def test_a_folder_without_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Tokenizer.load(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(DataError, match=r"vocab\.txt, an older form\n.*save_pretrained"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text(bert().backend_tokenizer.to_str())
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(DataError, match=r"tokenizer_config\.json"):
        Tokenizer.load(tmp_path)
    assert Tokenizer.load(tmp_path / "tokenizer.json").kind == "wordpiece"


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bart().save_pretrained(tmp_path)
    asked = []
    online = True

    def fetch(repository: str, file: str) -> str:
        asked.append(file)
        if repository != "owner/name":
            raise errors.HFValidationError("no such name")
        if not (tmp_path / file).is_file():
            if online:
                raise errors.EntryNotFoundError(f"no {file}")
            raise errors.LocalEntryNotFoundError(f"no {file} here, and no network")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    ours = Tokenizer.load("hf:owner/name")
    assert ours.encode(TEXTS[0]) == Tokenizer.load(tmp_path).encode(TEXTS[0])
    assert set(asked) == {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    with pytest.raises(DataError, match="HFValidationError: no such name"):
        Tokenizer.load("hf:other/name")
    (tmp_path / "tokenizer.json").rename(tmp_path / "merges.txt")
    with pytest.raises(DataError, match=r"tokenizer\.json in hf:owner/name\n.*merges\.txt, an older form"):
        Tokenizer.load("hf:owner/name")
    online = False
    with pytest.raises(DataError, match=r"tokenizer\.json in hf:owner/name\n.*and no network"):
        Tokenizer.load("hf:owner/name")
    (tmp_path / "merges.txt").rename(tmp_path / "tokenizer.json")
    assert Tokenizer.load("hf:owner/name").to_json() == ours.to_json()
