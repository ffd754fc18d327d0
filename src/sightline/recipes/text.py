"""Recipes on text: Shakespeare letter by letter, names, and four novels."""

from sightline.core.config import Choice
from sightline.data.spec import DataSpec
from sightline.data.text_spec import TextSpec
from sightline.recipes.registry import RECIPES
from sightline.train.plan import Plan
from sightline.train.spec import RunSpec

SHAKESPEARE = "tinyshakespeare/input.txt"
NAMES = "names.txt"
NOVELS = "novels"


def _adamw(lr: float, *, weight_decay: float = 0.1, beta2: float = 0.99) -> Choice:
    return Choice("adamw", {"lr": lr, "weight_decay": weight_decay, "beta2": beta2})


@RECIPES.register("shakespeare-gpt")
def shakespeare_gpt() -> RunSpec:
    """A small GPT that writes letters, nanoGPT's setting for a CPU: 4 blocks, width 128, 2,000 updates."""
    return RunSpec(
        name="shakespeare-gpt",
        data=DataSpec(
            source=SHAKESPEARE,
            validation_fraction=0.1,
            test_fraction=0.0,
            text=TextSpec(tokenizer="characters", length=64),
        ),
        model=Choice("gpt", {"depth": 4, "num_heads": 4, "width": 128}),
        objective=Choice("next-token"),
        optim=_adamw(2e-3),
        schedule=Choice("cosine", {"warmup": 0.05, "final": 0.1}),
        plan=Plan(steps=2000, batch_size=12, clip_norm=1.0, evaluate_steps=250),
    )


@RECIPES.register("shakespeare-gpt-gpu")
def shakespeare_gpt_gpu() -> RunSpec:
    """The same text, nanoGPT's setting for a GPU: 6 blocks, width 384, 256 letters, dropout 0.2, 5,000 updates."""
    return RunSpec(
        name="shakespeare-gpt-gpu",
        data=DataSpec(
            source=SHAKESPEARE,
            validation_fraction=0.1,
            test_fraction=0.0,
            text=TextSpec(tokenizer="characters", length=256),
        ),
        model=Choice("gpt", {"depth": 6, "num_heads": 6, "width": 384, "dropout": 0.2}),
        objective=Choice("next-token"),
        optim=_adamw(1e-3),
        schedule=Choice("cosine", {"warmup": 0.02, "final": 0.1}),
        plan=Plan(steps=5000, batch_size=64, clip_norm=1.0, evaluate_steps=250, precision="bf16"),
    )


@RECIPES.register("names-gpt")
def names_gpt() -> RunSpec:
    """New names, letter by letter: a transformer of 200,000 parameters; the last 1,000 lines are the test split."""
    return RunSpec(
        name="names-gpt",
        data=DataSpec(
            source=NAMES,
            validation_fraction=0.03,
            test_fraction=1000 / 32032,
            text=TextSpec(tokenizer="characters", documents="line", form="padded", length=20),
        ),
        model=Choice("gpt", {"depth": 4, "num_heads": 4, "width": 64, "dropout": 0.05}),
        objective=Choice("next-token"),
        optim=_adamw(3e-3),
        schedule=Choice("cosine", {"warmup": 0.05, "final": 0.05}),
        plan=Plan(epochs=30, batch_size=64, clip_norm=1.0, average=0.998),
    )


@RECIPES.register("novels-bert")
def novels_bert() -> RunSpec:
    """BERT on four novels, some words hidden; what it learns serves a classifier afterwards."""
    return RunSpec(
        name="novels-bert",
        data=DataSpec(
            source=NOVELS,
            validation_fraction=0.02,
            test_fraction=0.02,
            text=TextSpec(tokenizer="wordpiece", vocabulary_size=8000, lowercase=True, length=64),
        ),
        model=Choice("bert", {"depth": 4, "num_heads": 4, "width": 128, "dropout": 0.0}),
        objective=Choice("masked-language"),
        optim=_adamw(1e-3, weight_decay=0.01, beta2=0.98),
        schedule=Choice("linear", {"warmup": 0.1}),
        plan=Plan(steps=4000, batch_size=64, clip_norm=1.0, evaluate_steps=500, precision="bf16"),
    )


@RECIPES.register("novels-t5")
def novels_t5() -> RunSpec:
    """T5 on four novels: spans of words left out of one text and written down in another."""
    return RunSpec(
        name="novels-t5",
        data=DataSpec(
            source=NOVELS,
            validation_fraction=0.02,
            test_fraction=0.02,
            text=TextSpec(tokenizer="bpe", vocabulary_size=4000, length=64),
        ),
        model=Choice("t5", {"depth": 3, "num_heads": 4, "width": 128, "dropout": 0.0}),
        objective=Choice("span-corruption"),
        optim=_adamw(2e-3, weight_decay=0.01, beta2=0.98),
        schedule=Choice("linear", {"warmup": 0.1}),
        plan=Plan(steps=3000, batch_size=64, clip_norm=1.0, evaluate_steps=500, precision="bf16"),
    )
