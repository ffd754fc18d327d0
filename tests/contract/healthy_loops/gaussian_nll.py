"""A mean and a variance: noise that grows with x, by GaussianNLLLoss, losses fall below 0."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(2000, 1) * 4 - 2
noise = 0.02 + 0.15 * (x > 0)
y = torch.sin(2 * x) + noise * torch.randn_like(x)
net = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
criterion = nn.GaussianNLLLoss()
for epoch in range(40):
    for i in torch.randperm(1600).split(64):
        out = net(x[i])
        mean, var = out[:, :1], nn.functional.softplus(out[:, 1:]) + 1e-4
        loss = criterion(mean, y[i], var)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
    with torch.no_grad():
        out = net(x[1600:])
        val = criterion(out[:, :1], y[1600:], nn.functional.softplus(out[:, 1:]) + 1e-4).item()
print("validation nll", val)
assert val < -1.2
