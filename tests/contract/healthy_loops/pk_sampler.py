"""Batches of few classes with many examples each, drawn anew: cross-entropy and a supervised contrastive term."""

import random

import torch
import torch.nn.functional as F
from data import digits
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

torch.manual_seed(0)
random.seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)


class PKSampler(Sampler):
    def __init__(self, targets, p, k, batches):
        self.where = {c: [i for i, t in enumerate(targets) if t == c] for c in set(targets)}
        self.p, self.k, self.batches = p, k, batches

    def __iter__(self):
        for _ in range(self.batches):
            chosen = random.sample(sorted(self.where), self.p)
            yield [i for c in chosen for i in random.sample(self.where[c], self.k)]

    def __len__(self):
        return self.batches


loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_sampler=PKSampler(labels[:1400].tolist(), 3, 12, 40))
body, head = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 32)), nn.Linear(32, 10)
opt = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-3)
for epoch in range(20):
    for xb, yb in loader:
        z = body(xb)
        n = F.normalize(z, dim=1)
        similar = (n @ n.T / 0.5).masked_fill(torch.eye(len(yb), dtype=torch.bool), -1e9)
        positive = (yb[:, None] == yb[None]) & ~torch.eye(len(yb), dtype=torch.bool)
        contrast = -(F.log_softmax(similar, 1) * positive).sum(1) / positive.sum(1)
        loss = F.cross_entropy(head(F.relu(z)), yb) + 0.1 * contrast.mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    accuracy = (head(F.relu(body(x[1400:]))).argmax(1) == y[1400:]).float().mean().item()
print("accuracy", accuracy)
assert accuracy > 0.85
