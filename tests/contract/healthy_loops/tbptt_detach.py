"""Truncated back-propagation through time: one stream of Shakespeare, the state handed on and detached."""

import torch
from data import shakespeare
from torch import nn

torch.manual_seed(0)
text = shakespeare(300_000).lower()
vocab = sorted(set(text))
ids = torch.tensor([vocab.index(c) for c in text])
rows = ids[: len(ids) // 32 * 32].view(32, -1)
embed, lstm, out = nn.Embedding(len(vocab), 24), nn.LSTM(24, 96), nn.Linear(96, len(vocab))
net = nn.ModuleList([embed, lstm, out])
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
state, span, losses = None, 32, []
for epoch in range(2):
    state = None
    for start in range(0, 5000, span):
        x, y = rows[:, start : start + span].T, rows[:, start + 1 : start + span + 1].T
        h, state = lstm(embed(x), state)
        loss = nn.functional.cross_entropy(out(h).flatten(0, 1), y.flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        state = tuple(s.detach() for s in state)
        losses.append(loss.item())
with torch.no_grad():
    x, y = rows[:, 6000:7000].T, rows[:, 6001:7001].T
    held_out = nn.functional.cross_entropy(out(lstm(embed(x))[0]).flatten(0, 1), y.flatten()).item()
print("held out", held_out)
assert held_out < 2.2
