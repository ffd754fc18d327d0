"""A regression of oil temperature with cosine warm restarts, stepped every batch, and snapshots of the best."""

import copy

import numpy as np
import torch
from data import transformer_station
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
series = transformer_station()[:6000]
mean, std = series[:4500].mean(0), series[:4500].std(0)
series = (series - mean) / std
X = np.stack([series[i : i + 24] for i in range(len(series) - 24)]).reshape(-1, 24 * 7)
Y = series[24:, -1:]
train = TensorDataset(torch.tensor(X[:4476]), torch.tensor(Y[:4476]))
val_x, val_y = torch.tensor(X[4476:]), torch.tensor(Y[4476:])
loader = DataLoader(train, batch_size=64, shuffle=True)
net = nn.Sequential(nn.Linear(168, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
sched = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=35, T_mult=1)
best, best_state = float("inf"), None
for epoch in range(8):
    net.train()
    for xb, yb in loader:
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(xb), yb)
        loss.backward()
        opt.step()
        sched.step()
    net.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(net(val_x), val_y).item()
    if val < best:
        best, best_state = val, copy.deepcopy(net.state_dict())
net.load_state_dict(best_state)
print("best validation mse", best, "of", val_y.var().item())
assert best < 0.5 * val_y.var().item()
