"""Training, writing and tokenising text beside the same work as it is usually done, in one run.

    python benchmarks/text.py [train] [generate] [tokenise] [--rounds 5] [--device cpu] [--quick]

train: tokens a second of GPT beside transformers' GPT2LMHeadModel and a textbook module (written out below, in the
manner of nanoGPT), all with the same weights, each with clipping and fused AdamW, none with a cache; ours through
``Supervised`` as every run does. On a CPU 10.8 million parameters (6 layers, 6 heads, width 384, blocks of 256 of 65
letters), on a GPU 124 million (GPT-2's shape, blocks of 1,024), with the share of the GPU's peak.

generate: new tokens a second with a cache, GPT-2's shape (124 million, random weights, the same in both), prompts of 32
tokens, beside ``transformers.generate``; greedy and beam 4, of 1 and of 8 prompts. Ours writes with ``decoding_copy``,
on a CPU with packed weights; what packing takes is told, and is in no figure. What is written is compared too.

tokenise: a megabyte, beside the library ``tokenizers`` alone.

Everything is measured in float32 and as recommended (training: bfloat16 by autocast; writing: bfloat16 weights), for
all alike. What is compared alternates in rounds, so that whatever else the machine does falls on all; figures are
medians with the smallest and largest, ratios between medians. Targets: training ≥ 1.2 × transformers and ≥ 1 × the
textbook; generation ≥ 1.5 × transformers; tokenising ≥ 1.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tokenizers
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from sightline.core.schema import Schema, TextSchema
from sightline.data.batch import Batch
from sightline.data.tokenizer import Tokenizer
from sightline.data.train_tokenizer import train_tokenizer
from sightline.generate.beam_search import Beam
from sightline.generate.decoding_copy import decoding_copy
from sightline.generate.generation import generate
from sightline.models.gpt import GPT
from sightline.models.hugging_face.gpt2 import convert
from sightline.objectives.next_token import NextToken
from sightline.optim import SCHEDULES, AdamW
from sightline.train import Supervised

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40": 181e12, "L4": 121e12, "4090": 165e12}
"""Dense bfloat16 multiply-and-add operations a second, two each, by a part of the GPU's name; their makers' figures."""

Sizes = Mapping[str, int]
GIVEN = {"vocabulary": 65, "block": 256, "depth": 6, "heads": 6, "width": 384, "batch": 8}
LARGE = {"vocabulary": 50257, "block": 1024, "depth": 12, "heads": 12, "width": 768, "batch": 16}
TINY = {"vocabulary": 65, "block": 16, "depth": 2, "heads": 2, "width": 32, "batch": 2}
LETTERS = "etaoinshrdlucmfw"


class TextbookBlock(nn.Module):
    """A GPT block as textbooks write it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attention and a hidden layer, each added to what came in."""
        batch, length, width = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(width, dim=2)
        q, k, v = (part.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(batch, length, width))
        given: Tensor = x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))
        return given


class TextbookGPT(nn.Module):
    """GPT-2 as textbooks write it, with the weights of ours."""

    def __init__(self, sizes: Sizes, ours: GPT) -> None:
        super().__init__()
        width = sizes["width"]
        self.wte, self.wpe = nn.Embedding(sizes["vocabulary"], width), nn.Embedding(sizes["block"], width)
        self.blocks = nn.ModuleList(TextbookBlock(width, sizes["heads"]) for _ in range(sizes["depth"]))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, sizes["vocabulary"], bias=False)
        self.lm_head.weight = self.wte.weight
        names = {
            "attention_norm": "ln_1",
            "attention.query_key_value": "c_attn",
            "attention.output": "c_proj",
            "mlp_norm": "ln_2",
            "expand": "c_fc",
            "contract": "c_out",
            "stack.": "",
            "norm.": "ln_f.",
            "embedding": "wte",
            "positions": "wpe",
            "head.": "lm_head.",
        }
        theirs = {}
        for name, weight in ours.state_dict().items():
            for old, new in names.items():
                name = name.replace(old, new) if old != "norm." or name.startswith("norm.") else name
            theirs[name] = weight.clone()
        self.load_state_dict(theirs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits."""
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.lm_head(self.ln_f(x))
        return logits


def their_gpt(sizes: Sizes) -> Any:
    """transformers' GPT-2 with random weights, no dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=sizes["vocabulary"], n_positions=sizes["block"], n_embd=sizes["width"], n_layer=sizes["depth"],
            n_head=sizes["heads"], resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=None,
        )
    )  # fmt: skip


def ours_like(theirs: Any) -> GPT:
    """Our GPT with the same weights."""
    arguments, weights = convert(theirs.config.to_dict(), theirs.state_dict())
    model = GPT(**arguments)
    model.load_state_dict(weights | {"head.weight": weights["embedding.weight"]})
    return model


def their_step(model: nn.Module, x: Tensor, y: Tensor, bf16: bool) -> Callable[[], float]:
    """A step as tutorials write it."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, fused=True)
    options = {} if isinstance(model, TextbookGPT) else {"use_cache": False}

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
            given = model(x, **options)
            logits = given if isinstance(given, Tensor) else given.logits
            loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return float(loss)

    return step


def our_step(model: GPT, sizes: Sizes, x: Tensor, y: Tensor, bf16: bool) -> Callable[[], float]:
    """A run's step: the algorithm that the engine repeats."""
    schema = Schema(
        "text", "language", (sizes["block"],), text=TextSchema(sizes["vocabulary"], sizes["block"], bytes_per_token=1.0)
    )
    algorithm = Supervised(model, NextToken(schema), AdamW(lr=1e-4), SCHEDULES["constant"](), clip_norm=1.0)
    precision = "bf16-mixed" if bf16 else "32-true"
    algorithm.setup(Fabric(accelerator=x.device.type, devices=1, precision=precision), 10_000)  # type: ignore[arg-type]
    batch = Batch(x, y, torch.arange(len(x), device=x.device), len(x))

    def step() -> float:
        return float(algorithm.step(batch, detail=False)["loss"])

    return step


def alternate(work: Mapping[str, Callable[[], object]], rounds: int, device: str = "cpu") -> dict[str, list[float]]:
    """Seconds of each in every round, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in work.items():
            _wait(device)
            began = time.perf_counter()
            do()
            _wait(device)
            if number:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def told(name: str, units: int, seconds: list[float], unit: str) -> str:
    """Units a second: median, smallest and largest."""
    median = units / statistics.median(seconds)
    return f"  {name:<28} {median:>11,.0f} {unit}/s  ({units / max(seconds):,.0f} to {units / min(seconds):,.0f})"


def ratio(of: list[float], to: list[float]) -> float:
    """How many times as fast the first is."""
    return statistics.median(to) / statistics.median(of)


def train(sizes: Sizes, rounds: int, device: str) -> None:
    """Training steps of the three, in float32 and by autocast."""
    torch.manual_seed(0)
    theirs = their_gpt(sizes).to(device)
    count = sum(p.numel() for p in theirs.parameters())
    x, y = torch.randint(0, sizes["vocabulary"], (2, sizes["batch"], sizes["block"]), device=device)
    print(
        f"training: {count / 1e6:.1f} M parameters, {sizes['batch']} × {sizes['block']} tokens a step, {device}, "
        f"{torch.get_num_threads()} threads"
    )
    usual: dict[str, list[float]] = {}
    for bf16 in (False, True):
        peers = {"transformers": their_gpt(sizes).to(device)}
        peers["transformers"].load_state_dict(theirs.state_dict())
        ours = ours_like(theirs.cpu()).to(device)
        theirs.to(device)
        steps = {
            "transformers": their_step(peers["transformers"], x, y, bf16),
            "textbook": their_step(TextbookGPT(sizes, ours).to(device), x, y, bf16),
            "ours": our_step(ours, sizes, x, y, bf16),
        }
        first = {name: step() for name, step in steps.items()}
        apart = max(first.values()) - min(first.values())
        seconds = alternate(steps, rounds, device)
        print(f" {'bfloat16 by autocast' if bf16 else 'float32'}; the first losses differ by {apart:.1e}")
        for name, times in seconds.items():
            print(told(name, x.numel(), times, "tokens"), flush=True)
        for peer in ("transformers", "textbook"):
            print(f"  ours / {peer:<21} {ratio(seconds['ours'], seconds[peer]):>11.2f} ×")
            if bf16:
                print(f"  ours / {peer + ' in float32':<24} {ratio(seconds['ours'], usual[peer]):>8.2f} ×")
        usual = usual or seconds
        if device == "cuda":
            _tell_share(count, sizes, x.numel() / statistics.median(seconds["ours"]), bf16)


def _tell_share(count: int, sizes: Sizes, tokens: float, bf16: bool) -> None:
    """6 operations a parameter and token, and 12·L·T·D for the attention (Chowdhery et al. 2022, appendix B)."""
    attention = 12 * sizes["depth"] * sizes["block"] * sizes["width"]
    done = tokens * (6 * (count - sizes["block"] * sizes["width"]) + attention)
    gpu = torch.cuda.get_device_name()
    peak = next((peak for part, peak in PEAKS.items() if part in gpu), None)
    share = f", {done / peak:.1%} of the peak of {peak / 1e12:.0f}" if peak and bf16 else ""
    print(f"  {done / 1e12:.1f} TFLOP/s on {gpu}{share}")


def write(sizes: Sizes, rounds: int, device: str, *, prompt: int, new: int) -> None:
    """New tokens of ours and of transformers.generate, of the same weights."""
    torch.manual_seed(0)
    theirs = their_gpt(sizes).eval()
    ours = ours_like(theirs).eval()
    print(f"writing: {sum(p.numel() for p in theirs.parameters()) / 1e6:.0f} M parameters, {prompt} + {new} tokens")
    usual: dict[tuple[int, int], list[float]] = {}
    for dtype in (torch.float32, torch.bfloat16):
        theirs, ours = theirs.to(device, dtype), ours.to(device)
        _wait(device)
        began = time.perf_counter()
        copy = decoding_copy(ours, dtype=dtype)
        _wait(device)
        name = str(dtype).removeprefix("torch.")
        print(f" {name}: decoding_copy made in {time.perf_counter() - began:.2f} s", flush=True)
        for batch in (1, 8):
            tokens = torch.randint(0, sizes["vocabulary"], (batch, prompt), device=device)
            for width in (1, 4):
                seconds = compare_writing(theirs, copy, tokens, width, rounds, new)
                if dtype == torch.float32:
                    usual[batch, width] = seconds["transformers"]
                else:
                    gain = ratio(seconds["ours"], usual[batch, width])
                    print(f"  ours / {'transformers in float32':<21} {gain:>8.2f} ×", flush=True)


def compare_writing(
    theirs: Any, ours: GPT, tokens: Tensor, width: int, rounds: int, new: int
) -> dict[str, list[float]]:
    """Greedy (width 1) or beams, after some prompts."""
    written: dict[str, list[list[int]]] = {}

    def by_theirs() -> None:
        with torch.inference_mode():
            found = theirs.generate(
                tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=new, do_sample=False, num_beams=width,
                pad_token_id=0, length_penalty=0.0,
            )  # fmt: skip
        written["transformers"] = found[:, tokens.shape[1] :].tolist()

    def by_ours() -> None:
        method = Beam(width, length_penalty=0.0) if width > 1 else None
        written["ours"] = [
            list(one.tokens) for one in generate(ours, tokens.tolist(), max_new_tokens=new, method=method)
        ]

    seconds = alternate({"transformers": by_theirs, "ours": by_ours}, rounds, tokens.device.type)
    same = sum(a == b for a, b in zip(written["ours"], written["transformers"], strict=True))
    kind, number = f"beam {width}" if width > 1 else "greedy", str(ours.embedding.weight.dtype).removeprefix("torch.")
    print(f" {number}, {kind}, {len(tokens)} at once; {same} of {len(tokens)} texts the same")
    for name, times in seconds.items():
        print(told(name, len(tokens) * new, times, "tokens"), flush=True)
    print(f"  ours / {'transformers':<21} {ratio(seconds['ours'], seconds['transformers']):>11.2f} ×")
    return seconds


def made_up_text(count: int) -> str:
    """Words of random letters whose frequencies fall as 1/rank, in lines."""
    chance = np.random.default_rng(0)
    words = ["".join(chance.choice(list(LETTERS), chance.integers(1, 9))) for _ in range(5000)]
    odds = 1 / np.arange(1, 5001)
    drawn = chance.choice(5000, count // 4, p=odds / odds.sum())
    text = " ".join(words[i] + (",\n" if place % 11 == 10 else "") for place, i in enumerate(drawn))
    return text[:count]


def tokenise(count: int, rounds: int) -> None:
    """A text of so many letters, in documents of a thousand, through ours and through the library alone."""
    text = made_up_text(count)
    documents = [text[i : i + 1000] for i in range(0, len(text), 1000)]
    print(f"tokenising: {len(text):,} bytes in {len(documents):,} documents")
    for kind in ("bpe", "wordpiece", "characters"):
        size = None if kind == "characters" else 2000
        ours = Tokenizer.from_json(train_tokenizer(kind, [text[:200_000]], vocabulary_size=size).to_json())
        bare = tokenizers.Tokenizer.from_str(ours.to_json())
        work = {
            "tokenizers": lambda bare=bare: bare.encode_batch_fast(documents, add_special_tokens=False),
            "ours": lambda ours=ours: ours.encode_batch(documents),
        }
        found = bare.encode_batch_fast(documents, add_special_tokens=False)
        pairs = zip(found, ours.encode_batch(documents), strict=True)
        same = all(list(theirs.ids) == list(tokens) for theirs, tokens in pairs)
        seconds = alternate(work, rounds)
        print(f" {kind}; tokens {'the same' if same else 'NOT the same'}")
        for name, times in seconds.items():
            print(told(name, len(text), times, "bytes"), flush=True)
        print(f"  ours / {'tokenizers':<21} {ratio(seconds['ours'], seconds['tokenizers']):>11.2f} ×")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", help="train, generate, tokenise; none: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--new", type=int, default=64, help="new tokens of a text")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    given = parser.parse_args()
    unknown = set(given.parts) - {"train", "generate", "tokenise"}
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}")
    parts = given.parts or ["train", "generate", "tokenise"]
    for library in ("lightning.fabric", "lightning_fabric", "transformers"):
        logging.getLogger(library).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "train" in parts:
            train(TINY if given.quick else LARGE if given.device == "cuda" else GIVEN, given.rounds, given.device)
        if "generate" in parts:
            sizes = TINY if given.quick else {**LARGE, "batch": 1}
            new = 4 if given.quick else given.new
            write(sizes, given.rounds, given.device, prompt=8 if given.quick else 32, new=new)
        if "tokenise" in parts:
            tokenise(20_000 if given.quick else 1_000_000, given.rounds)


if __name__ == "__main__":
    main()
