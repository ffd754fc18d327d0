"""A RealNVP of two moons: affine couplings, log-likelihood by hand; the loss crosses 0."""

import torch
from sklearn.datasets import make_moons
from torch import nn

torch.manual_seed(0)
data = torch.tensor(make_moons(3000, noise=0.05, random_state=0)[0], dtype=torch.float32)
data = (data - data.mean(0)) / data.std(0)


class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        a, b = (x[:, 1:], x[:, :1]) if self.flip else (x[:, :1], x[:, 1:])
        s, t = self.net(a).chunk(2, 1)
        s = torch.tanh(s) * 2
        b = b * s.exp() + t
        return torch.cat([b, a] if self.flip else [a, b], 1), s.sum(1)


class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Coupling(bool(i % 2)) for i in range(6)])

    def log_prob(self, x):
        return self(x)

    def forward(self, x):
        total = 0
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        base = torch.distributions.Normal(0.0, 1.0)
        return base.log_prob(x).sum(1) + total


flow = Flow()
opt = torch.optim.Adam(flow.parameters(), lr=3e-3)
for epoch in range(12):
    for i in torch.randperm(2500).split(100):
        loss = -flow(data[i]).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    held_out = -flow(data[2500:]).mean().item()
print("held-out nll", held_out, "a Gaussian has about 2.7")
assert held_out < 2.0
