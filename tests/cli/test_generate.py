"""``sightline generate`` and ``sightline prompt`` as a user meets them, on small runs that stand ready."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import sightline.train
from sightline.cli.generate import _before, _Show
from sightline.cli.main import main
from sightline.core.config import Choice
from sightline.core.run_folder import RunFolder
from sightline.core.schema import Schema
from sightline.data.spec import DataSpec
from sightline.data.text_spec import TextSpec
from sightline.data.tokenizer import Tokenizer
from sightline.data.train_tokenizer import train_tokenizer
from sightline.generate import Beam, FewShot, Greedy, Sample, generate_text
from sightline.models.gpt import GPT
from sightline.models.t5 import T5
from sightline.train import Plan, RunSpec

Answer = tuple[int, str, str]
Command = Callable[..., Answer]


def stand_in(path: Path, task: Any, model: Any, tokenizer: Tokenizer, **text: Any) -> Any:
    """What a run folder opens as."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.5)
    spec = SimpleNamespace(data=DataSpec(source="x.txt", text=TextSpec(**text)))
    schema = Schema("text", task, (16,), text=tokenizer.text_schema(16))
    folder = RunFolder.create(path, task)
    folder.set_status("completed")
    return SimpleNamespace(folder=folder, spec=spec, schema=schema, tokenizer=tokenizer, model=model.eval())


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    letters = train_tokenizer("bpe", ["to be or not to be €"], vocabulary_size=280)
    sizes: Any = {"vocabulary_size": letters.vocabulary_size, "depth": 1, "width": 16, "num_heads": 2}
    small: dict[str, Any] = {
        "book": stand_in(tmp_path, "language", GPT(**sizes, context_length=16), letters),
        "names": stand_in(
            tmp_path, "language", GPT(**sizes, context_length=16), letters, form="padded", documents="line"
        ),
        "german": stand_in(tmp_path, "sequence", T5(**sizes), letters),
    }
    monkeypatch.setattr(sightline.train, "open_run", lambda folder: small[folder])
    return small


@pytest.fixture
def command(
    runs: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run ``sightline`` in an empty folder; exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Answer:
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.mark.parametrize(
    ("words", "method"),
    [
        ([], Sample()),
        (["--greedy"], Greedy()),
        (["--beam", "3"], Beam(3)),
        (["--beam", "3", "--length-penalty", "0"], Beam(3, length_penalty=0)),
        (["--temperature", "0.8", "--top-p", "0.95", "--top-k", "40"], Sample(0.8, 40, 0.95)),
    ],
    ids=str,
)
def test_every_way_to_decode(command: Command, runs: dict[str, Any], words: list[str], method: Any) -> None:
    book = runs["book"]
    wanted = generate_text(book.model, book.tokenizer, ["to be"], max_new_tokens=8, method=method, window=True, seed=2)
    code, out, err = command("generate", "book", "--prompt", "to be", "--max-tokens", "8", "--seed", "2", *words)
    assert (code, err) == (0, "")
    assert out == f"to be{wanted[0].text}\n"
    assert "\033" not in out
    streamed = command("generate", "book", "--prompt", "to be", "--max-tokens", "8", "--seed", "2", "--stream", *words)
    assert streamed[1] == out


def test_samples_and_prompts_from_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("to be\n\nor not\n", encoding="utf-8")
    words = (
        "generate",
        "book",
        "--prompts",
        "prompts.txt",
        "--samples",
        "2",
        "--max-tokens",
        "5",
        "--temperature",
        "2",
    )
    code, out, _ = command(*words, "--json")
    assert code == 0
    told = json.loads(out)
    assert [one["prompt"] for one in told] == ["to be", "to be", "or not", "or not"]
    assert told[0]["tokens"] != told[1]["tokens"]
    assert set(told[0]) == {"prompt", "text", "other_texts", "tokens", "log_probability", "finished", "score", "others"}
    plain = command(*words)[1]
    assert plain == "\n".join(f"{one['prompt']}{one['text']}\n" for one in told)
    assert command(*words, "--stream")[1] == plain
    beams = json.loads(command("generate", "book", "--prompt", "to", "--beam", "4", "--samples", "3", "--json")[1])
    assert len(beams) == 1
    assert len(beams[0]["other_texts"]) == 2


def test_a_stream_of_beams_shows_all_texts(command: Command, tmp_path: Path) -> None:
    """What is streamed is what is shown otherwise, the other texts of a beam included; a file's mark is no letter."""
    (tmp_path / "prompts.txt").write_bytes("\ufeffto be\r\nor not\r\n".encode())
    words = ("generate", "book", "--prompts", "prompts.txt", "--beam", "4", "--samples", "3", "--max-tokens", "5")
    told = json.loads(command(*words, "--json")[1])
    assert [one["prompt"] for one in told] == ["to be", "or not"]
    texts = [one["prompt"] + text for one in told for text in (one["text"], *one["other_texts"])]
    assert len(texts) == 6
    assert command(*words)[1] == "\n".join(text + "\n" for text in texts)
    assert command(*words, "--stream")[1] == "\n".join(text + "\n" for text in texts)


def test_what_the_vocabulary_lacks_is_told(command: Command, runs: dict[str, Any], tmp_path: Path) -> None:
    """Byte-level pieces know all; of characters and words those that are unknown are named, the first ten."""
    assert command("generate", "book", "--prompt", "ж€", "--max-tokens", "2")[2] == ""
    for kind, named in (("characters", "'ж', 'z', '€'"), ("words", "'жz', '€'")):
        tokenizer = train_tokenizer(kind, ["to be or not to be : "], vocabulary_size=None)
        sizes: Any = {"vocabulary_size": tokenizer.vocabulary_size, "depth": 1, "width": 16, "num_heads": 2}
        runs[kind] = stand_in(tmp_path, "language", GPT(**sizes, context_length=64), tokenizer)
        code, _, err = command("generate", kind, "--prompt", "to жz be € жz", "--max-tokens", "2")
        assert code == 0
        assert err.count("\n") == 1
        assert err.endswith(f" the same token: {named}\n")
        assert command("generate", kind, "--prompt", "to be", "--max-tokens", "2")[2] == ""
    err = command("generate", "characters", "--prompt", "ABCDEFGHIJKLMNOP\a", "--max-tokens", "2")[2]
    assert err.endswith("'J' and 7 more\n")
    assert "\a" not in err
    (tmp_path / "reviews.csv").write_text("text,label\n" + 4 * "to be,to\nor jo,or\n", encoding="utf-8")
    words = ("prompt", "words", "--data", "reviews.csv", "--target", "label")
    code, _, err = command(*words, "--template", "{text}: {label} then", "--shots", "2", "--separator", "Z")
    assert code == 0
    assert all(part in err for part in ("'jo'", "'then'", "'Z'"))
    assert err.count("\n") == 1


def test_want_of_memory_is_told(command: Command, runs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(capacity: int) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")

    monkeypatch.setattr(runs["german"].model, "new_cache", refuse)
    told(command("generate", "german", "--prompt", "to"), "memory", "batch_size")
    monkeypatch.setattr(runs["german"].model, "new_cache", lambda capacity: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command("generate", "german", "--prompt", "to")


def test_a_sequence_run_writes_the_other_text_alone(command: Command, runs: dict[str, Any]) -> None:
    german = runs["german"]
    german.model.context_length = 12  # no number of tokens is asked for: as many as it can write
    options: Any = {"max_new_tokens": 12, "method": Greedy()}
    wanted = generate_text(german.model, german.tokenizer, ["to be"], **options)[0].text
    assert command("generate", "german", "--prompt", "to be", "--greedy")[:2] == (0, wanted + "\n")


def test_documents_begin_as_in_training(command: Command, runs: dict[str, Any]) -> None:
    names = runs["names"]
    begin = names.tokenizer.special("begin")
    options: Any = {"max_new_tokens": 5, "method": Greedy()}
    wanted = generate_text(names.model, names.tokenizer, ["to"], before=[begin], **options)[0].text
    words = ("--greedy", "--max-tokens", "5", "--prompt", "to")
    assert command("generate", "names", *words)[1] == f"to{wanted}\n"
    assert command("generate", "book", *words)[1] != f"to{wanted}\n"
    names.spec.data = DataSpec(source="x.txt", text=TextSpec(form="packed"))  # begin and end are one token here
    assert command("generate", "names", *words)[1] == f"to{wanted}\n"
    assert command("generate", "book")[0] == 0


def test_a_run_on_a_table_begins_rows_as_in_training(tmp_path: Path) -> None:
    """As the example of the run itself does: after an end token, whatever the file's suffix looks like; of a file of
    text nothing stands before."""
    rows = "".join(f'"{words} to be or not to be, that is it {row}"\n' for row, words in enumerate(60 * ["now"]))
    text = TextSpec(tokenizer="characters", length=16)
    befores = {}
    for name in ("rows.CSV", "rows.csv", "rows.txt"):
        (tmp_path / name).write_text("text\n" + rows, encoding="utf-8")
        spec = RunSpec(
            name=name,
            data=DataSpec(source=str(tmp_path / name), task="language", text=text),
            model=Choice("gpt", {"depth": 1, "width": 8, "num_heads": 2}),
            optim=Choice("adamw", {}),
            plan=Plan(steps=1, batch_size=2),
        )
        run = sightline.train.train(spec, runs=tmp_path / "runs", quiet=True)
        befores[name] = _before(run)
        end = run.tokenizer.special("end")
        stream: Any = next(iter(run.data.train.batches(batch_size=4))).inputs
        assert (befores[name] == (end,)) == bool((stream == end).any())
        (tmp_path / name).unlink()
        assert _before(run) == befores[name]
    assert befores == {"rows.CSV": (end,), "rows.csv": (end,), "rows.txt": ()}


def test_a_terminal_gets_no_orders_from_a_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters are shown by their signs there; a file gets them as they are."""
    text = "a\033[2J\a\r\x7f\x9b\tb\nc"
    for terminal, wanted in ((True, "a␛[2J␇␍␡␦\tb\nc"), (False, text)):
        for stream in (False, True):
            show = _Show([text], terminal=terminal, bare=False)
            if stream:
                show.piece(0, text)
                show.end([[]])
            else:
                show.whole(0, text)
            out = capsys.readouterr().out.replace("\033[1m", "").replace("\033[0m", "")
            assert out == wanted + wanted + "\n"


def test_new_text_is_bold_on_a_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    plain = command("generate", "book", "--prompt", "to", "--greedy", "--max-tokens", "4")[1]
    assert plain.startswith("to\033[1m")
    assert plain.endswith("\033[0m\n")


@pytest.mark.parametrize(
    ("words", "expected", "suggestion"),
    [
        (["--greedy", "--beam", "2"], "one way", "leave"),
        (["--beam", "2", "--top-k", "3"], "one way", "leave"),
        (["--length-penalty", "1"], "--beam", "--beam 4"),
        (["--prompt", "a", "--prompts", "b"], "--prompt or", "leave"),
        (["--samples", "0"], "--samples", "1"),
        (["--batch-size", "0"], "--batch-size", "32"),
        (["--greedy", "--samples", "2"], "one text", "sample"),
        (["--dtype", "float16"], "--dtype", "one of"),
        (["--json", "--stream"], "--json or", "leave"),
        (["--prompts", "none.txt"], "prompts in none.txt", "path"),
        (["--temperature", "0"], "temperature", "greedily"),
        (["--top-p", "2"], "top_p", "0.95"),
        (["--beam", "0"], "width", "4"),
        (["--beam", "2", "--samples", "3"], "results", "widen"),
        (["--max-tokens", "0"], "--max-tokens", "200"),
        (["--no-repeat", "0"], "n-grams", "3"),
        (["--max-tokens", "many"], "", "--help"),
        (["--beam", "1000000000"], "at most 10,000", "4"),
        (["--beam", "1" + "0" * 30], "at most 10,000", "4"),
        (["--beam", "2", "--length-penalty", "1e300"], "at most 10", "0.6"),
        (["--max-tokens", "1" + "0" * 30], "at most 100,000,000", "100"),
        (["--max-tokens", "9" * 5000], "", "--help"),
        (["--samples", "1" + "0" * 30], "at most 1,000,000 texts", "fewer"),
        (["--samples", "20000", "--max-tokens", "5001"], "at most 5,000 for 20,000 prompts", "100"),
        (["--min-tokens", "1" + "0" * 30], "min_new_tokens", "fewer"),
        (["--temperature", "1e-320"], "temperature", "greedily"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_mistakes(command: Command, words: list[str], expected: str, suggestion: str) -> None:
    told(command("generate", "book", *words), expected, suggestion)


@pytest.mark.parametrize(
    "words", [["--top-k"], ["--no-repeat"], ["--batch-size"], ["--seed"], ["--beam", "2", "--seed"]]
)
def test_numbers_beyond_all_sense_that_do_no_harm(command: Command, words: list[str]) -> None:
    """More than there are of them is all of them."""
    code, out, err = command("generate", "book", "--prompt", "to", "--max-tokens", "3", *words, "1" + "0" * 30)
    assert (code, err) == (0, "")
    assert out.startswith("to")


def told(answer: Answer, expected: str, suggestion: str) -> None:
    """The error in three parts, and nothing else."""
    code, out, err = answer
    assert (code, out) == (2, "")
    lines = {part: line for line in err.splitlines() for part in ("expected:", "found:", "what to do:") if part in line}
    assert len(lines) == 3, err
    assert expected in lines["expected:"]
    assert suggestion in lines["what to do:"], err
    assert "Traceback" not in err


TABLE = "text,label\n" + "".join(f"{text},{name}\n" for text, name in 4 * [("to be", "pos"), ("or not", "neg")])


def test_a_prompt_asks_the_rows_of_a_table(command: Command, tmp_path: Path, runs: dict[str, Any]) -> None:
    (tmp_path / "reviews.csv").write_text(TABLE, encoding="utf-8")
    words = ("prompt", "book", "--data", "reviews.csv", "--target", "label", "--template", "{text}:")
    labels = ("--labels", "pos=be,neg=or")
    code, out, err = command(*words, *labels, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    right = [one["class"] == one["answer"] for one in found["answers"]]
    assert found["count"] == len(right) == 8
    assert found["accuracy"] == pytest.approx(sum(right) / 8)
    assert found["prompt"] == "to be:"
    assert found["labels"] == {"pos": "be", "neg": "or"}
    assert [one["class"] for one in found["answers"]] == 4 * ["pos", "neg"]
    one = found["answers"][0]
    assert one["answer"] == max(one["log_likelihoods"], key=one["log_likelihoods"].get)
    runs["book"].model.context_length = None
    runs["book"].model.positions = torch.nn.Module()
    runs["book"].model.positions.forward = lambda x, where: x
    code, out, _ = command(*words, *labels, "--shots", "2", "--limit", "3", "--calibrate", "--score", "mean")
    assert code == 0
    lines = out.splitlines()
    assert sorted(lines[1:3]) == ["or not: or", "to be: be"]
    assert lines[-1].startswith("accuracy ")
    assert lines[-1].split()[4:6] == ["on", "3"]


def test_a_prompt_that_is_too_long_is_left_out_and_told(command: Command, tmp_path: Path, runs: dict[str, Any]) -> None:
    """Its row does not refuse the others, nor go silently: accuracy and count are those of the rows that fit."""
    length = len(runs["book"].tokenizer.encode("not " * 6))
    runs["book"].model.context_length = length
    long = "not " * 40
    rows = ["to be,pos", f"{long},neg", "or not,neg", "be,pos", f"{long},pos"]
    (tmp_path / "reviews.csv").write_text("text,label\n" + "".join(row + "\n" for row in rows), encoding="utf-8")
    words = ("prompt", "book", "--data", "reviews.csv", "--target", "label", "--template", "{text}:")
    labels = ("--labels", "pos=be,neg=or")
    code, out, err = command(*words, *labels, "--json")
    assert code == 0
    assert "2 of 5 rows" in err
    assert err.endswith("data row 2, 5\n")
    found = json.loads(out)
    assert found["left_out"] == [2, 5]
    assert [one["row"] for one in found["answers"]] == [1, 3, 4]
    assert found["count"] == 3
    (tmp_path / "short.csv").write_text(
        "text,label\n" + "".join(row + "\n" for row in rows if long not in row), encoding="utf-8"
    )
    alone = json.loads(command(*words[:3], "short.csv", *words[4:], *labels, "--json")[1])
    assert found["accuracy"] == alone["accuracy"]
    assert alone["left_out"] == []
    assert "on 3 rows, 2 left out as too long" in command(*words, *labels)[1]
    (tmp_path / "reviews.csv").write_text(f"text,label\n{long},pos\n{long},neg\n", encoding="utf-8")
    code, out, err = command(*words, *labels)
    assert (code, out) == (2, "")
    assert "all of the 2 rows" in err
    # a prompt that fits to the token, and one that does not
    ask = FewShot("{text}:", {"a": "be or", "b": "or"})
    examples = [{"text": "not " * count} for count in range(1, 12)]
    most = max(len(runs["book"].tokenizer.encode(" " + word)) for word in ("be or", "or"))
    sizes = [len(runs["book"].tokenizer.encode(example["text"] + ":")) + most - 1 for example in examples]
    assert length in sizes
    wanted = [row for row, size in enumerate(sizes) if size > length]
    assert ask.too_long(runs["book"].model, runs["book"].tokenizer, examples) == wanted


@pytest.mark.parametrize(
    ("changes", "expected", "suggestion"),
    [
        ({"--target": "lable"}, "'lable'", "'label'"),
        ({"--template": "{txt}"}, "'txt'", "'text'"),
        ({"--template": "none"}, "template", "{text}"),
        ({"--data": "none.csv"}, "none.csv", "path"),
        ({"--labels": "great,bad"}, "neg=…,pos=…", "CLASS=WORD"),
        ({"--labels": "pos=a"}, "neg=…,pos=…", "CLASS=WORD"),
        ({"--shots": "80"}, "40 examples", "fewer"),
        ({"--limit": "0"}, "--limit", "leave"),
        ({"--score": "best"}, "score", "sum"),
        ({"--separator": "-"}, "--shots", "--shots 4"),
        ({"--shots": "1" + "0" * 30}, "examples", "fewer"),
        ({"--seed": "1" + "0" * 30}, "a seed", "0"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_mistakes_in_a_prompt(
    command: Command, tmp_path: Path, changes: dict[str, str], expected: str, suggestion: str
) -> None:
    (tmp_path / "reviews.csv").write_text(TABLE, encoding="utf-8")
    words = {"--data": "reviews.csv", "--target": "label", "--template": "{text}", **changes}
    told(command("prompt", "book", *(word for pair in words.items() for word in pair)), expected, suggestion)
