"""The data sets of the programs beside it, as NumPy arrays; SIGHTLINE_DATA names their folder."""

import csv
import gzip
import io
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(os.environ["SIGHTLINE_DATA"]) if "SIGHTLINE_DATA" in os.environ else Path("data")


def digits():
    """1,797 digits of 8 x 8 pixels, values 0 to 16, and their labels."""
    bunch = load_digits()
    return bunch.images.astype("float32"), bunch.target.astype("int64")


def _pictures(name, split, count):
    batches = pq.ParquetFile(ROOT / name / f"{split}.parquet").iter_batches(count)
    table = next(batches).to_pydict()
    images = np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in table["image"]])
    return images, np.array(table["label"], dtype="int64")


def mnist(split, count):
    """The first images of MNIST: (count, 28, 28) bytes, and their labels."""
    return _pictures("mnist", split, count)


def cifar10(split, count):
    """The first images of CIFAR-10: (count, 32, 32, 3) bytes, and their labels."""
    return _pictures("cifar10", split, count)


def shakespeare(characters):
    """The opening of Tiny Shakespeare as text."""
    with (ROOT / "tinyshakespeare" / "input.txt").open(encoding="utf-8") as file:
        return file.read(characters)


def names():
    """32,032 given names, most frequent first."""
    return (ROOT / "names" / "names.txt").read_text(encoding="utf-8").split()


def transformer_station():
    """ETTh1: 17,420 hours of six loads and the oil temperature (last column)."""
    with gzip.open(ROOT / "ett" / "ETTh1.csv.gz", "rt") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([row[1:] for row in rows], dtype="float32")


def solubility():
    """1,128 molecules: counts of the marks of their SMILES formula, and log solubility."""
    marks = ["C", "c", "O", "N", "n", "S", "F", "Cl", "Br", "=", "#", "(", "1", "2", "@", "[nH]"]
    with (ROOT / "esol" / "esol.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    counts = [[row[0].count(mark) for mark in marks] + [len(row[0])] for row in rows]
    return np.array(counts, dtype="float32"), np.array([row[1] for row in rows], dtype="float32")


def passages(count, words, vocabulary):
    """Passages of four novels, 46 classes (parts of the novels in order), as a binary bag of words."""
    novels = ["les_miserables", "middlemarch", "sherlock_holmes", "war_and_peace"]
    parts = [12, 12, 10, 12]
    texts, labels = [], []
    for novel, number in zip(novels, parts, strict=True):
        with gzip.open(ROOT / "gutenberg" / f"{novel}.txt.gz", "rt", encoding="utf-8", errors="replace") as file:
            tokens = re.findall(r"[a-z']+", file.read().lower())
        first, each = sum(parts[: novels.index(novel)]), count // sum(parts) + 1
        for part in range(number):
            piece = tokens[len(tokens) * part // number : len(tokens) * (part + 1) // number]
            for start in np.linspace(0, len(piece) - words, each).astype(int):
                texts.append(piece[start : start + words])
                labels.append(first + part)
    seen = Counter(word for text in texts for word in text)
    index = {word: column for column, (word, _) in enumerate(seen.most_common(vocabulary))}
    bags = np.zeros((len(texts), vocabulary), dtype="float32")
    for row, text in enumerate(texts):
        bags[row, [index[word] for word in text if word in index]] = 1.0
    return bags, np.array(labels, dtype="int64")
