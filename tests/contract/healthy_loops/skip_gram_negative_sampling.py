"""Word vectors of Sherlock Holmes by skip-grams with negative samples; sparse embeddings and SparseAdam."""

import gzip
import os
import re
from collections import Counter
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(0)
path = Path(os.environ["SIGHTLINE_DATA"]) / "gutenberg" / "sherlock_holmes.txt.gz"
with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
    tokens = re.findall(r"[a-z]+", file.read().lower())[:80_000]
count = Counter(tokens)
vocab = [w for w, n in count.items() if n >= 5]
index = {w: i for i, w in enumerate(vocab)}
stream = torch.tensor([index[w] for w in tokens if w in index])
noise = torch.tensor([count[w] ** 0.75 for w in vocab])


class SkipGram(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.inside, self.outside = nn.Embedding(n, d, sparse=True), nn.Embedding(n, d, sparse=True)
        nn.init.uniform_(self.inside.weight, -0.5 / d, 0.5 / d)
        nn.init.zeros_(self.outside.weight)

    def forward(self, centre, others):
        return (self.inside(centre).unsqueeze(1) * self.outside(others)).sum(-1)


model = SkipGram(len(vocab), 32)
opt = torch.optim.SparseAdam(model.parameters(), lr=1e-2)
history = []
for step in range(2500):
    at = torch.randint(3, len(stream) - 3, (256,))
    away = torch.randint(1, 4, (256,)) * (torch.randint(0, 2, (256,)) * 2 - 1)
    others = torch.cat([stream[at + away].unsqueeze(1), torch.multinomial(noise, 256 * 5, True).view(256, 5)], 1)
    label = torch.zeros(256, 6)
    label[:, 0] = 1
    loss = nn.functional.binary_cross_entropy_with_logits(model(stream[at], others), label)
    opt.zero_grad()
    loss.backward()
    opt.step()
    history.append(loss.item())
first, last = sum(history[:50]) / 50, sum(history[-100:]) / 100
print("loss", first, "->", last)
assert last < 0.42
