"""Translation of short sentences from German by nn.Transformer with causal and key padding masks."""

import gzip
import os
from collections import Counter
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

torch.manual_seed(0)
folder = Path(os.environ["SIGHTLINE_DATA"]) / "multi30k"


def read(language):
    with gzip.open(folder / f"train.{language}.gz", "rt", encoding="utf-8") as file:
        return [line.lower().replace(".", " .").replace(",", " ,").split() for line in file]


pairs = [(de, en) for de, en in zip(read("de"), read("en")) if len(de) <= 8 and len(en) <= 9]
PAD, UNK, BOS, EOS = 0, 1, 2, 3
vocab = [
    {w: i + 4 for i, (w, _) in enumerate(Counter(w for p in pairs for w in p[k]).most_common(600))} for k in (0, 1)
]


def ids(words, k):
    return torch.tensor([BOS, *(vocab[k].get(w, UNK) for w in words), EOS])


source = pad_sequence([ids(de, 0) for de, _ in pairs], batch_first=True)
target = pad_sequence([ids(en, 1) for _, en in pairs], batch_first=True)
print(len(pairs), "pairs")


class Translator(nn.Module):
    def __init__(self, d=64):
        super().__init__()
        self.src, self.tgt, self.pos = nn.Embedding(604, d, PAD), nn.Embedding(604, d, PAD), nn.Embedding(16, d)
        self.body = nn.Transformer(d, 4, 1, 1, 128, dropout=0.1, batch_first=True)
        self.out = nn.Linear(d, 604)

    def forward(self, src, tgt):
        place = lambda x: self.pos(torch.arange(x.shape[1]))  # noqa: E731
        causal = nn.Transformer.generate_square_subsequent_mask(tgt.shape[1])
        h = self.body(
            self.src(src) + place(src),
            self.tgt(tgt) + place(tgt),
            tgt_mask=causal,
            tgt_is_causal=True,
            src_key_padding_mask=torch.zeros(src.shape).masked_fill(src == PAD, float("-inf")),
            tgt_key_padding_mask=torch.zeros(tgt.shape).masked_fill(tgt == PAD, float("-inf")),
            memory_key_padding_mask=torch.zeros(src.shape).masked_fill(src == PAD, float("-inf")),
        )
        return self.out(h)


model = Translator()
opt = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
criterion = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=0.1)
n = len(pairs) - 200
for epoch in range(8):
    model.train()
    for i in torch.randperm(n).split(64):
        scores = model(source[i], target[i, :-1])
        loss = criterion(scores.reshape(-1, 604), target[i, 1:].reshape(-1))
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        scores = model(source[n:], target[n:, :-1])
        val = nn.functional.cross_entropy(scores.reshape(-1, 604), target[n:, 1:].reshape(-1), ignore_index=PAD).item()
    print(epoch, loss.item(), val)
assert val < 4.0
