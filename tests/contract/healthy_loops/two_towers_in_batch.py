"""Recommender with two towers and the other items of the batch as negatives, from listening histories."""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
rows = np.loadtxt(Path(os.environ["SIGHTLINE_DATA"]) / "lastfm" / "data1.txt")[:, :2]
users, items = (torch.tensor(np.unique(column, return_inverse=True)[1]) for column in rows.T)
perm = torch.randperm(len(users))
train, test = perm[2000:], perm[:2000]
popular = torch.bincount(items[train], minlength=int(items.max()) + 1).float()


class Towers(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.user, self.item = nn.Embedding(int(users.max()) + 1, d), nn.Embedding(int(items.max()) + 1, d)
        for e in (self.user, self.item):
            nn.init.normal_(e.weight, std=0.1)

    def forward(self, u, i):
        return F.normalize(self.user(u), dim=1) @ F.normalize(self.item(i), dim=1).T / 0.1


model = Towers()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
correction = popular.clamp(min=1).log()
for step in range(600):
    pick = train[torch.randint(len(train), (512,))]
    u, i = users[pick], items[pick]
    logits = model(u, i) - correction[i]
    logits = logits.masked_fill((i[:, None] == i[None]) & ~torch.eye(512, dtype=torch.bool), -1e9)
    loss = F.cross_entropy(logits, torch.arange(512))
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    u, i = users[test], items[test]
    true = (model.user(u) * F.normalize(model.item(i), dim=1)).sum(1)
    false = (model.user(u) * F.normalize(model.item(i[torch.randperm(len(i))]), dim=1)).sum(1)
better = (true > false).float().mean().item()
print("liked before another", better, "loss", loss.item())
assert better > 0.7
