"""Three quantiles of solubility by a hand-written pinball loss."""

import torch
from data import solubility
from torch import nn

torch.manual_seed(0)
X, y = solubility()
X, y = torch.from_numpy(X), torch.from_numpy(y)
perm = torch.randperm(len(y))
tr, te = perm[:900], perm[900:]
X = (X - X[tr].mean(0)) / (X[tr].std(0) + 1e-6)
taus = torch.tensor([0.1, 0.5, 0.9])


def pinball(pred, target):
    e = target[:, None] - pred
    return torch.maximum(taus * e, (taus - 1) * e).mean()


net = nn.Sequential(nn.Linear(X.shape[1], 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 3))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(30):
    for i in tr[torch.randperm(len(tr))].split(64):
        opt.zero_grad()
        pinball(net(X[i]), y[i]).backward()
        opt.step()
with torch.no_grad():
    q = net(X[te])
inside = ((y[te] > q[:, 0]) & (y[te] < q[:, 2])).float().mean().item()
error = (q[:, 1] - y[te]).abs().mean().item()
print("inside", inside, "mean error of the median", error, "of", (y[te] - y[tr].median()).abs().mean().item())
assert 0.6 < inside < 0.95
assert error < 0.6 * (y[te] - y[tr].median()).abs().mean().item()
