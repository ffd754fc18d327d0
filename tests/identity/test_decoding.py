"""Decoding token by token: what each way chooses, cached = uncached, a row in a batch = alone, limits and bad input."""

import copy
import itertools
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.data.train_tokenizer import train_tokenizer
from sightline.generate import (
    Banned,
    Beam,
    CachedScores,
    FullScores,
    Greedy,
    Limits,
    NoRepeatedNgram,
    PackedLinear,
    Sample,
    TextStream,
    decode_stepwise,
    decoding_copy,
    generate,
    generate_text,
    keep_nucleus,
    keep_top_k,
)
from sightline.generate.decoding_copy import can_pack
from sightline.generate.next_token_scores import left_padded
from sightline.models.bert import BERT
from sightline.models.gpt import GPT
from sightline.models.t5 import T5

V = 11
METHODS = [Greedy(), Sample(temperature=0.9, top_k=7, top_p=0.9), Beam(3, num_results=2), Beam(2, length_penalty=0.0)]
PROMPTS = [[1, 2, 3, 4, 5], [6], [7, 8, 9]]


def gpt(**changes: Any) -> GPT:
    torch.manual_seed(0)
    small = {"vocabulary_size": V, "context_length": 24, "depth": 2, "width": 16, "num_heads": 2}
    made: GPT = sharpened(GPT(**{**small, **changes}))
    return made


def t5(**changes: Any) -> T5:
    torch.manual_seed(1)
    small = {"vocabulary_size": V, "depth": 2, "width": 16, "num_heads": 2}
    made: T5 = sharpened(T5(**{**small, **changes}))
    return made


def sharpened(model: Any) -> Any:
    """In float64, with weights of deviation 0.5 and a head of its own, so that choices are clear and do not repeat."""
    model.head = nn.Linear(model.width, model.vocabulary_size, bias=False)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "norm" not in name:
                weight.normal_(0, 0.5)
    return model.double().eval()


def by_chance(seed: int, *, size: int = V) -> Callable[[Tensor, Tensor], Tensor]:
    """Random scores that depend on all present tokens of the row and on nothing else."""
    table = 2 * torch.randn(4999, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def scores(tokens: Tensor, present: Tensor) -> Tensor:
        texts = [row[real].tolist() for row, real in zip(tokens, present, strict=True)]
        return table[[hash(tuple(text)) % len(table) for text in texts]]

    return scores


def test_greedy_follows_a_chain() -> None:
    chain = torch.tensor([[0.0, 0.9, 0.1, 0.0], [0.2, 0.2, 0.6, 0.0], [0.5, 0.1, 0.0, 0.4], [0.25] * 4]).log()
    told: list[tuple[int, int]] = []
    found = generate(
        lambda tokens, present: chain[tokens[:, -1]],
        [[0], [2, 2]],
        max_new_tokens=4,
        stream=lambda *new: told.append(new),
    )
    assert [one.tokens for one in found] == [(1, 2, 0, 1), (0, 1, 2, 0)]
    assert found[0].log_probability == pytest.approx(torch.tensor([0.9, 0.6, 0.5, 0.9]).log().sum().item())
    assert not found[0].finished
    assert told == [(0, 1), (1, 0), (0, 2), (1, 1), (0, 0), (1, 2), (0, 1), (1, 0)]


def test_end_tokens_end_rows_apart() -> None:
    """A row that has ended gets no more; where half have ended only the others are asked."""
    asked: list[int] = []

    def count_up(tokens: Tensor, present: Tensor) -> Tensor:
        asked.append(len(tokens))
        return torch.eye(20)[tokens[:, -1] + 1]

    prompts = [[8], [6], [4], [11]]
    found = generate(count_up, prompts, max_new_tokens=6, end=(9, 12))
    assert [one.tokens for one in found] == [(9,), (7, 8, 9), (5, 6, 7, 8, 9), (12,)]
    assert all(one.finished for one in found)
    assert asked == [4, 2, 2, 1, 1]
    assert found[1].text_tokens(end=(9, 12)) == (7, 8)
    short = generate(count_up, prompts, max_new_tokens=2, end=9)
    assert [one.finished for one in short] == [True, False, False, False]
    held = generate(lambda t, p: torch.tensor([[0.0, 2.0, 1.0]]), [[0]], max_new_tokens=5, min_new_tokens=2, end=1)
    assert held[0].tokens == (2, 2, 1)


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize(
    "changes",
    [{}, {"positions": "rotary", "num_kv_heads": 1}, {"positions": "sinusoidal", "shared": True, "query_norm": True}],
    ids=str,
)
def test_cached_scores_equal_full_ones(method: Any, changes: dict[str, Any]) -> None:
    """In a batch of unequal prompts; rows end, move and multiply on the way."""
    model = gpt(**changes)
    options: Any = {"max_new_tokens": 9, "min_new_tokens": 4, "method": method, "end": 0, "seed": 5}
    cached = generate(model, PROMPTS, **options)
    full = generate(FullScores(model), PROMPTS, **options)
    assert [one.tokens for one in cached] == [one.tokens for one in full]
    for one, other in zip(cached, full, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-10)
        assert [further.tokens for further in one.others] == [further.tokens for further in other.others]
    assert len({one.tokens for one in cached}) > 1
    assert max(len(set(one.tokens)) for one in cached) > 1


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("build", [gpt, t5])
def test_a_row_in_a_batch_is_what_it_is_alone(build: Callable[[], nn.Module], method: Any) -> None:
    model = build()
    options: Any = {"max_new_tokens": 6, "method": method, "end": 0, "seed": 3, "rules": (NoRepeatedNgram(3),)}
    together = generate(model, PROMPTS, **options)
    for prompt, one in zip(PROMPTS, together, strict=True):
        [alone] = generate(model, [prompt], **options)
        assert alone.tokens == one.tokens
        assert alone.log_probability == pytest.approx(one.log_probability, abs=1e-10)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_an_encoder_decoder_reads_its_source_once(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as running all of it again at every step, from the start token and the source alone."""
    model = t5()

    def written_out(tokens: Tensor, present: Tensor) -> Tensor:
        rows = []
        for row in tokens.tolist():
            source = PROMPTS[sources.index(row[0])]
            decoder = torch.tensor([[model.start_token, *row[1:]]])
            rows.append(model(torch.tensor([source]), decoder_tokens=decoder)[0, -1])
        return torch.stack(rows)

    sources = [5, 6, 7]  # stand for the prompts at the place of the start token
    options: Any = {"max_new_tokens": 6, "method": method, "end": (1, 2)}
    if isinstance(method, Sample):
        options["method"] = Sample(temperature=1e-6)  # the streams of chance belong to the prompts
    slow = generate(written_out, [[s] for s in sources], **options)
    calls: list[int] = []
    encode = model.encode

    def counted(*given: Any, **told: Any) -> Any:
        calls.append(1)
        return encode(*given, **told)

    monkeypatch.setattr(model, "encode", counted)
    quick = generate(model, PROMPTS, **options)
    assert [one.tokens for one in quick] == [one.tokens for one in slow]
    assert [one.score for one in quick] == pytest.approx([one.score for one in slow], abs=1e-10)
    assert calls == [1]


def test_rows_that_move_among_their_own_copy_only_what_differs() -> None:
    """Every way to take rows again gives what a fresh cache gives: permutations, copies, fewer, more."""
    model = gpt()
    generator = torch.Generator().manual_seed(0)
    tokens, present = left_padded([[1, 2, 3], [4]])
    scores = CachedScores(model, capacity=12)
    scores(tokens, present)
    choices = [[0, 0, 1, 1], [1, 0, 3, 2], [0, 0, 3, 3], [1, 1, 2, 3], [2, 2, 0, 1], [0, 3], [0, 1], [1, 1, 0]]
    with torch.inference_mode():
        for rows in choices:
            scores.select(torch.tensor(rows))
            tokens, present = tokens[rows], present[rows]
            tokens = torch.cat([tokens, torch.randint(0, V, (len(rows), 1), generator=generator)], 1)
            present = torch.cat([present, torch.ones(len(rows), 1, dtype=torch.bool)], 1)
            found = scores(tokens, present)
            torch.testing.assert_close(found, FullScores(model)(tokens, present), rtol=0, atol=1e-12)


def test_the_window_slides_over_the_last_tokens() -> None:
    model = gpt(context_length=6)
    found = generate(model, [[1, 2, 3]], max_new_tokens=7, window=True)[0]
    text = [1, 2, 3]
    for token in found.tokens:
        assert model(torch.tensor([text[-6:]]))[0, -1].argmax() == token
        text.append(token)
    assert generate(model, [[1, 2, 3]], max_new_tokens=4)[0].tokens == found.tokens[:4]  # 3 + 4 − 1 are read
    ragged = generate(model, [[1, 2, 3], [5, 6, 7, 8, 9, 1, 2, 3, 4]], max_new_tokens=7, window=True)
    assert ragged[0].tokens == found.tokens


def test_a_sampled_text_depends_on_seed_prompt_and_equals_before_it() -> None:
    model = gpt()
    options: Any = {"max_new_tokens": 6, "method": Sample(temperature=2.0)}
    texts = [one.tokens for one in generate(model, [[1], [2], [1], [1]], seed=1, **options)]
    assert len(set(texts)) == 4
    assert [one.tokens for one in generate(model, [[1], [1]], seed=1, **options)] == [texts[0], texts[2]]
    assert [one.tokens for one in generate(model, [[2]], seed=1, **options)] == [texts[1]]
    assert generate(model, [[1]], seed=2, **options)[0].tokens != texts[0]
    state = torch.get_rng_state()
    shorter = generate(model, [[1]], seed=1, **{**options, "max_new_tokens": 3})[0].tokens
    assert shorter == texts[0][:3]
    assert torch.equal(state, torch.get_rng_state())


def test_temperature_flattens() -> None:
    """The lecture notes say the reverse; the entropy of softmax(z/T) rises with T."""
    scores = torch.randn(1, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    temperatures = (0.2, 0.5, 1.0, 2.0, 5.0)
    entropies = [torch.special.entr(Sample(temperature=t).distribution(scores)).sum().item() for t in temperatures]
    assert entropies == sorted(entropies)
    assert entropies[0] < entropies[-1] - 1
    torch.testing.assert_close(Sample(temperature=2.0).distribution(scores), (scores / 2).softmax(1))
    cold = Sample(temperature=1e-4).distribution(scores)
    assert cold.argmax() == scores.argmax()
    assert cold.max() == 1


def slow_nucleus(scores: Tensor, p: float) -> set[int]:
    """The smallest prefix of the tokens in falling order whose probability reaches p."""
    chances = scores.softmax(0).tolist()
    order = sorted(range(len(chances)), key=lambda token: (-chances[token], token))
    kept, total = set(), 0.0
    for token in order:
        kept.add(token)
        total += chances[token]
        if total >= p:
            break
    return kept


@pytest.mark.parametrize("p", [1e-9, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("size", [3, 40, 2000])
def test_the_nucleus_is_the_smallest_set_of_its_mass(p: float, size: int) -> None:
    """Also where the first look at the likeliest tokens does not do."""
    for seed, scale in itertools.product(range(3), (0.1, 3.0)):
        scores = scale * torch.randn(2, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        kept = keep_nucleus(scores, p)
        for row in range(2):
            stays = set(kept[row].isfinite().nonzero()[:, 0].tolist())
            assert stays == slow_nucleus(scores[row], p)
            assert torch.equal(kept[row][list(stays)], scores[row][list(stays)])


def test_of_equal_tokens_the_first_make_the_nucleus() -> None:
    even = torch.zeros(1, 4)
    assert keep_nucleus(even, 0.5).isfinite().tolist() == [[True, True, False, False]]
    wide = torch.zeros(2, 2000)
    wide[1, 1999] = 20.0
    kept = keep_nucleus(wide, 0.25).isfinite()
    assert kept[0].nonzero()[:, 0].tolist() == list(range(500))
    assert kept[1].nonzero()[:, 0].tolist() == [1999]


def test_temperature_goes_before_top_k_before_top_p() -> None:
    """p is a share of what the k hold, at this temperature."""
    scores = torch.tensor([[4.0, 3.0, 2.0, 1.0]], dtype=torch.float64).log()
    assert Sample(top_k=2, top_p=0.5).distribution(scores).tolist() == [[1.0, 0.0, 0.0, 0.0]]  # 4/7 ≥ 0.5, 4/10 is not
    assert Sample(top_p=0.5).distribution(scores).count_nonzero() == 2
    assert Sample(temperature=3.0, top_k=2, top_p=0.57).distribution(scores).count_nonzero() == 2  # 4/7 ≥ 0.57 at T = 1
    assert Sample(top_k=2, top_p=0.57).distribution(scores).count_nonzero() == 1
    assert keep_top_k(torch.tensor([[1.0, 2.0, 2.0]]), 1).isfinite().tolist() == [[False, True, True]]


def test_no_ngram_comes_twice() -> None:
    """Against a slow look at every text; the prompt's n-grams count, its filling does not."""
    for n in (1, 2, 3):
        rule = NoRepeatedNgram(n)
        found = generate(by_chance(n, size=8), [[1, 2, 1, 2], [0]], max_new_tokens=5, rules=[rule])
        for prompt, one in zip([[1, 2, 1, 2], [0]], found, strict=True):
            text = [*prompt, *one.tokens]
            for end in range(len(prompt) + 1, len(text) + 1):
                before = [tuple(text[i : i + n]) for i in range(end - n)]
                assert n > end or tuple(text[end - n : end]) not in before
    tokens, present = left_padded([[1, 1, 2, 0], [0, 0]])
    left = {n: NoRepeatedNgram(n)(torch.zeros(2, 3), tokens, present).isfinite().tolist() for n in (1, 2)}
    assert left == {1: [[False] * 3, [False, True, True]], 2: [[True] * 3, [False, True, True]]}


def test_rules_take_choices_away_and_move_no_mass() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.2]]).log()
    found = generate(lambda tokens, present: scores, [[0]], max_new_tokens=1, rules=[Banned([0])])[0]
    assert found.tokens == (1,)
    assert found.log_probability == pytest.approx(torch.tensor(0.3).log().item())
    assert scores.isfinite().all()


def test_reduced_precision_is_widened_before_a_choice() -> None:
    model = gpt().to(torch.bfloat16)
    full = generate(FullScores(model), [[1, 2], [3]], max_new_tokens=3)
    assert generate(model, [[1, 2], [3]], max_new_tokens=3)[0].tokens == full[0].tokens
    assert isinstance(full[0].log_probability, float)


@pytest.mark.parametrize("build", [gpt, t5])
def test_a_decoding_copy_gives_the_same_scores(build: Callable[[], Any]) -> None:
    """To float32's rounding, in bfloat16 to a few percent; the network itself stays as it was."""
    model = build().float()
    packed, reduced = decoding_copy(model), decoding_copy(model, dtype=torch.bfloat16)
    assert [type(part.head) for part in (model, packed, reduced)] == [nn.Linear, PackedLinear, PackedLinear]
    assert sum(isinstance(part, PackedLinear) for part in packed.modules()) > 8
    assert not any(type(part) is nn.Linear for part in packed.modules())
    options: Any = {"decoder_tokens": torch.tensor([[3, 1, 4]])} if build is t5 else {}
    with torch.no_grad():
        wanted = model(torch.tensor([[1, 2, 5, 9]]), **options)
        torch.testing.assert_close(packed(torch.tensor([[1, 2, 5, 9]]), **options), wanted, rtol=1e-4, atol=1e-5)
        found = reduced(torch.tensor([[1, 2, 5, 9]]), **options).float()
    assert (found - wanted).norm() < 0.1 * wanted.norm()
    assert generate(packed, PROMPTS, max_new_tokens=8)[0].tokens == generate(model, PROMPTS, max_new_tokens=8)[0].tokens
    assert all(weight.requires_grad for weight in model.parameters())
    assert type(decoding_copy(model, dtype=torch.float64).head) is nn.Linear


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_decoding_copy_can_be_copied_saved_and_converted(dtype: torch.dtype) -> None:
    if not can_pack(dtype):
        pytest.skip("no packed weights in this format here")
    packed = decoding_copy(gpt().float(), dtype=dtype)
    tokens = torch.tensor([[1, 2, 5, 9]])
    wanted = packed(tokens)
    for same in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed)), decoding_copy(packed)):  # noqa: S301
        assert type(same.head) is PackedLinear
        assert torch.equal(same(tokens), wanted)
    head: Any = packed.head
    assert torch.equal(head.plain().weight, gpt().state_dict()["head.weight"].to(dtype))
    for other in (torch.float32, torch.bfloat16, torch.float64):
        again = decoding_copy(packed, dtype=other)
        assert again(tokens).dtype == other
        assert type(again.head) is (nn.Linear if other == torch.float64 else PackedLinear)
    wide = wanted.double()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (packed(tokens).double() - wide).norm() < 0.1 * wide.norm()
    half = packed.to(torch.bfloat16)(tokens)
    assert half.dtype == torch.bfloat16
    assert (half.double() - wide).norm() < 0.1 * wide.norm()


@pytest.mark.usefixtures("as_a_user_calls")
def test_packed_weights_refuse_input_from_elsewhere() -> None:
    with pytest.raises(InputError, match="decoding copy"):
        PackedLinear(nn.Linear(4, 2))(torch.zeros(1, 4, device="meta"))


def test_without_the_operators_the_copy_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[PackedLinear.__module__], "OPERATORS", ("_there_is_none",))
    assert type(decoding_copy(gpt().float()).head) is nn.Linear


def test_a_bfloat16_copy_runs_on_a_processor_without_its_instructions() -> None:
    """oneDNN is kept to AVX2, by an environment variable that it reads once."""
    code = (
        "import torch; from sightline.generate import decoding_copy, generate; from sightline.models.gpt import GPT\n"
        "model = GPT(vocabulary_size=7, context_length=8, depth=1, width=8, num_heads=2)\n"
        "made = decoding_copy(model, dtype=torch.bfloat16)\n"
        "print(type(made.head).__name__, len(generate(made, [[1]], max_new_tokens=3)[0].tokens))"
    )
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["Linear", "3"], done.stderr


def test_a_network_in_training_is_used_in_evaluation_mode_and_given_back() -> None:
    model = gpt(dropout=0.5)
    model.train()
    model.stack.eval()
    modes = [module.training for module in model.modules()]
    first = generate(model, PROMPTS, max_new_tokens=5)
    assert first == generate(model, PROMPTS, max_new_tokens=5)
    assert [module.training for module in model.modules()] == modes
    assert generate(model, [], max_new_tokens=5) == []


BAD: list[tuple[dict[str, Any], type[Exception], str, str]] = [
    ({"max_new_tokens": 0}, ConfigurationError, "max_new_tokens = 0", "100"),
    ({"min_new_tokens": 6}, ConfigurationError, "min_new_tokens = 6", "fewer"),
    ({"prompts": [[1], []]}, InputError, "prompt 1 is empty", "begin"),
    ({"prompts": [[1], [2, V]]}, InputError, f"in prompt 1: token {V}", "tokenizer"),
    ({"prompts": [[-1]]}, InputError, "in prompt 0: token -1", "tokenizer"),
    ({"end": V}, InputError, f"end token {V}", "tokenizer"),
    ({"rules": [Banned([V])]}, InputError, f"banned token {V}", "tokenizer"),
    ({"prompts": [[1] * 25]}, ConfigurationError, "one of 25 tokens", "window=True"),
    ({"prompts": [[1] * 21]}, ConfigurationError, "a prompt of 21 and max_new_tokens = 5", "at most 4 new tokens"),
    ({"rules": [Banned(range(V))]}, InputError, "-inf for every token of prompt 0, at its new token 0", "ban fewer"),
    ({"rules": [NoRepeatedNgram(1)], "prompts": [list(range(9))]}, InputError, "at its new token 2", "shorter"),
    ({"rules": [Banned(range(V))], "method": Beam(2)}, InputError, "-inf for every token of prompt 0", "ban fewer"),
    ({"method": "greedy"}, ConfigurationError, "'greedy'", "import"),
]


@pytest.mark.parametrize(("changes", "kind", "found", "do"), BAD, ids=[case[2] for case in BAD])
@pytest.mark.usefixtures("as_a_user_calls")
def test_mistakes(changes: dict[str, Any], kind: type[Exception], found: str, do: str) -> None:
    options: dict[str, Any] = {"prompts": [[1, 2]], "max_new_tokens": 5, **changes}
    with pytest.raises(kind) as caught:
        generate(gpt(), options.pop("prompts"), **options)
    assert found in str(caught.value).splitlines()[1]
    if "ban" not in do and "shorter" not in do:
        assert do in str(caught.value).splitlines()[2]


def test_lengths_are_counted_to_the_last_token_that_is_read() -> None:
    short = gpt(context_length=5)
    assert len(generate(short, [[1] * 3], max_new_tokens=3)[0].tokens) == 3
    assert len(generate(short, [[]], begin=2, max_new_tokens=5)[0].tokens) == 5
    assert generate(gpt(), [[]], begin=2, max_new_tokens=3) == generate(gpt(), [[2]], max_new_tokens=3)


@pytest.mark.parametrize(
    ("build", "found"),
    [
        (lambda: Sample(temperature=0), "temperature = 0"),
        (lambda: Sample(temperature=float("nan")), "temperature = nan"),
        (lambda: Sample(top_k=0), "top_k = 0"),
        (lambda: Sample(top_p=0.0), "top_p = 0.0"),
        (lambda: Sample(top_p=1.1), "top_p = 1.1"),
        (lambda: Beam(0), "width = 0"),
        (lambda: Beam(2, length_penalty=-0.1), "length_penalty = -0.1"),
        (lambda: Beam(2, num_results=3), "num_results = 3"),
        (lambda: NoRepeatedNgram(0), "length = 0"),
    ],
)
def test_numbers_out_of_range(build: Callable[[], object], found: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build()
    assert found in str(caught.value)


def test_greedy_is_named_where_the_temperature_is_0() -> None:
    with pytest.raises(ConfigurationError, match="greedily"):
        Sample(temperature=0.0)


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_gives_no_next_tokens_is_refused() -> None:
    small: Any = {"vocabulary_size": V, "context_length": 8, "depth": 1, "width": 8, "num_heads": 2}
    for model in (BERT(**small), GPT(**small, num_outputs=3)):
        with pytest.raises(ConfigurationError, match="next tokens"):
            generate(model, [[1]], max_new_tokens=2)
    with pytest.raises(ConfigurationError, match="cache"):
        CachedScores(nn.Linear(2, 2), capacity=3)
    wrong: tuple[Any, ...] = (lambda t, p: torch.zeros(len(t)), lambda t, p: torch.zeros(3, 4), lambda t, p: t)
    for scores in (*wrong, lambda t, p: 1):
        with pytest.raises(InputError, match="scores of the next token"):
            generate(scores, [[1]], max_new_tokens=2)
    methods: Any = METHODS
    for method in methods:
        with pytest.raises(InputError, match="NaN"):
            generate(lambda t, p: torch.full((len(t), 4), torch.nan), [[1]], max_new_tokens=2, method=method)


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf], ids=str)
@pytest.mark.parametrize("banned", [(), (2,)], ids=["", "banned"])
@pytest.mark.usefixtures("as_a_user_calls")
def test_one_score_that_is_no_number_is_refused(method: Any, bad: float, banned: tuple[int, ...]) -> None:
    """At any token, also one that may not come; −∞ is fine."""

    def scores(tokens: Tensor, present: Tensor) -> Tensor:
        found = torch.tensor([[0.0, 1.0, -torch.inf, 0.5]]).repeat(len(tokens), 1)
        found[tokens[:, 0] == 1, 2] = bad
        return found

    rules = [Banned(banned)]
    generate(scores, [[0], [0]], max_new_tokens=2, method=method, rules=rules)
    for batch_size in (1, 4):
        with pytest.raises(InputError, match="prompt 1, at its new token 0") as caught:
            generate(scores, [[0], [1]], max_new_tokens=2, method=method, rules=rules, batch_size=batch_size)
        assert "NaN or +inf" in str(caught.value)


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("build", [gpt, t5])
def test_prompts_in_parts_give_the_same_texts(build: Callable[[], nn.Module], method: Any) -> None:
    model = build()
    prompts = [[1, 2], [6], [1, 2, 3, 4, 5], [6], [7, 8, 9], [6]]
    options: Any = {"max_new_tokens": 6, "method": method, "end": 0, "seed": 3}
    together = generate(model, prompts, **options)
    for batch_size in (1, 4):
        told: list[tuple[int, int]] = []
        stream = lambda row, token: told.append((row, token))  # noqa: E731, B023
        parts = generate(model, prompts, batch_size=batch_size, stream=stream, **options)
        assert [one.tokens for one in parts] == [one.tokens for one in together]
        assert [one.score for one in parts] == pytest.approx([one.score for one in together], abs=1e-10)
        texts = [tuple(token for place, token in told if place == row) for row in range(len(prompts))]
        assert texts == [one.tokens for one in together]
        assert told[0][0] == 0 or isinstance(method, Beam)
    if isinstance(method, Greedy):
        sizes: list[int] = []
        scores = by_chance(1)

        def asked(tokens: Tensor, present: Tensor) -> Tensor:
            sizes.append(len(tokens))
            return scores(tokens, present)

        generate(asked, prompts, max_new_tokens=1, batch_size=4)
        assert sizes == [4, 2]


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_does_not_fit_is_refused_before_any_part_is_decoded() -> None:
    told: list[int] = []
    with pytest.raises(ConfigurationError, match="one of 25 tokens"):
        generate(gpt(), [[1], [1] * 25], max_new_tokens=2, batch_size=1, stream=lambda row, token: told.append(row))
    assert told == []
    with pytest.raises(ConfigurationError, match="batch_size = 0"):
        generate(gpt(), [[1]], max_new_tokens=2, batch_size=0)
    window = generate(gpt(), [[1], [1] * 25], max_new_tokens=2, batch_size=1, window=True)
    assert window[0].tokens == generate(gpt(), [[1]], max_new_tokens=2)[0].tokens


def test_scores_that_remember_their_rows_get_all_prompts_at_once() -> None:
    model = gpt()
    found = generate(CachedScores(model, capacity=9), [[1, 2], [3]], max_new_tokens=4, batch_size=1)
    assert [one.tokens for one in found] == [one.tokens for one in generate(model, [[1, 2], [3]], max_new_tokens=4)]


def test_a_module_without_weights_gives_scores() -> None:
    class CountUp(nn.Module):
        def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
            return torch.eye(9)[(tokens[:, -1] + 1) % 9]

    assert generate(CountUp(), [[3]], max_new_tokens=2)[0].tokens == (4, 5)


def test_a_source_must_fit_too() -> None:
    from sightline.models.bart import BART

    model = BART(vocabulary_size=V, context_length=6, depth=1, width=8, num_heads=2).eval()
    with pytest.raises(ConfigurationError, match="one of 7 tokens"):
        generate(model, [[1] * 7], max_new_tokens=3)
    with pytest.raises(ConfigurationError, match="max_new_tokens = 7"):
        generate(model, [[1]], max_new_tokens=7)
    assert len(generate(model, [[1] * 6], max_new_tokens=6)[0].tokens) == 6


def test_text_to_text() -> None:
    """Prompts keep their text, an end token is not written, streamed text is the text, and nothing else is asked."""
    tokenizer = train_tokenizer("bpe", ["one two three €"], vocabulary_size=270)
    model = gpt(vocabulary_size=320)  # filled up to a multiple of 64
    pieces: dict[int, str] = {}
    options: Any = {"max_new_tokens": 10, "method": Sample(temperature=3.0)}
    prompts = ["one", "€", "one"]
    found = generate_text(
        model, tokenizer, prompts, stream=lambda row, text: pieces.update({row: pieces.get(row, "") + text}), **options
    )
    assert [passage.prompt for passage in found] == prompts
    assert [passage.text for passage in found] == [pieces[row] for row in range(3)]
    assert all(max(passage.continuation.tokens) < tokenizer.vocabulary_size for passage in found)
    end = tokenizer.special("end")
    assert end is not None
    always_end = Banned([token for token in range(320) if token != end])
    assert generate_text(model, tokenizer, ["one"], rules=[always_end], **options)[0].text == ""
    assert generate_text(model, tokenizer, [""], **options) != []
    last = max(tokenizer.encode("one"))
    with pytest.raises(DataError, match=f"token {last} in prompt 1"):
        generate_text(gpt(vocabulary_size=last), tokenizer, ["", "one"], end=(), before=[0], **options)
    smaller = gpt(vocabulary_size=tokenizer.vocabulary_size - 1)  # no table for a token that does not come
    assert len(generate_text(smaller, tokenizer, ["one"], end=(), **options)[0].continuation.tokens) == 10


def test_a_source_is_framed_as_in_training() -> None:
    tokenizer = train_tokenizer("characters", ["ab"], vocabulary_size=None)
    model = t5(vocabulary_size=tokenizer.vocabulary_size)
    begin, end = tokenizer.special("begin"), tokenizer.special("end")
    source = [begin, *tokenizer.encode("ab"), end]
    text = generate_text(model, tokenizer, ["ab"], max_new_tokens=4)[0]
    assert text.continuation == generate(model, [source], max_new_tokens=4, end=end)[0]  # type: ignore[arg-type,list-item]


def test_a_stream_waits_for_whole_characters() -> None:
    text = "né 漢字 👩‍🚀 \ufffd!"
    stream = TextStream(lambda tokens: bytes(tokens).decode(errors="replace"))
    pieces = [stream.add(byte) for byte in text.encode()]
    assert "".join(pieces) + stream.finish() == text
    assert pieces.count("\ufffd") + sum(p.startswith("\ufffd") for p in pieces if len(p) > 1) == 1
    cut = TextStream(lambda tokens: bytes(tokens).decode(errors="replace"))
    assert [cut.add(byte) for byte in "a€".encode()[:-1]] == ["a", "", ""]
    assert cut.finish() == "\ufffd"


def test_decode_stepwise_alone() -> None:
    """The loop itself, with chances given by hand."""
    scores = torch.tensor([[0.25, 0.25, 0.5]]).log()
    tokens = torch.tensor([[0], [0], [0]])
    found = decode_stepwise(
        lambda tokens, present: scores.expand(len(tokens), 3),
        tokens,
        tokens == 0,
        chooser=Sample(),
        limits=Limits(longest=2),
        chances=torch.tensor([[0.0, 0.24], [0.26, 0.49], [0.51, 0.999]]),
    )
    assert [one.tokens for one in found] == [(0, 0), (1, 1), (2, 2)]
