"""A character model of Shakespeare: gradients gathered over four batches, clipped now and then."""

import torch
import torch.nn as nn
from data import shakespeare

torch.manual_seed(0)
text = shakespeare(200_000)
chars = sorted(set(text))
data = torch.tensor([chars.index(c) for c in text])
train, val = data[:180_000], data[180_000:]


class CharGRU(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.embed = nn.Embedding(vocab, 32)
        self.rnn = nn.GRU(32, 96, batch_first=True)
        self.head = nn.Linear(96, vocab)

    def forward(self, x):
        return self.head(self.rnn(self.embed(x))[0])


def batch(source, n=16, length=48):
    start = torch.randint(len(source) - length - 1, (n,))
    rows = torch.stack([source[s : s + length + 1] for s in start])
    return rows[:, :-1], rows[:, 1:]


model = CharGRU(len(chars))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
steps, gather = 600, 4
for i in range(steps):
    x, y = batch(train)
    loss = nn.functional.cross_entropy(model(x).transpose(1, 2), y) / gather
    loss.backward()
    if (i + 1) % gather == 0:
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
    if (i + 1) % 150 == 0:
        model.eval()
        with torch.no_grad():
            x, y = batch(val, 64)
            held_out = nn.functional.cross_entropy(model(x).transpose(1, 2), y).item()
        model.train()
        print(i + 1, loss.item() * gather, held_out)
assert held_out < 2.6
