"""Ordinal grades by cumulative logits: one score, ordered thresholds, BCE over 'above grade k'."""

import torch
from sklearn.datasets import load_diabetes
from torch import nn

torch.manual_seed(0)
X, t = load_diabetes(return_X_y=True)
X = torch.tensor(X / X.std(0), dtype=torch.float32)
t = torch.tensor(t)
grade = torch.bucketize(t, torch.quantile(t, torch.tensor([0.25, 0.5, 0.75], dtype=t.dtype)))
above = (grade[:, None] > torch.arange(3)).float()


class Ordinal(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1, bias=False))
        self.thresholds = nn.Parameter(torch.tensor([-1.0, 0.0, 1.0]))

    def forward(self, x):
        return self.score(x) - self.thresholds


perm = torch.randperm(len(X))
tr, te = perm[:340], perm[340:]
model = Ordinal()
opt = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-3)
for epoch in range(25):
    for i in tr[torch.randperm(340)].split(34):
        loss = nn.functional.binary_cross_entropy_with_logits(model(X[i]), above[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    told = (model(X[te]) > 0).sum(1)
error = (told - grade[te]).abs().float().mean().item()
print("mean distance in grades", error)
assert error < 0.85
