"""Four experts and a soft gate with a balancing term, on a function that differs by region."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(3000, 2) * 4 - 2
y = torch.where(x[:, :1] > 0, torch.sin(3 * x[:, 1:]), x[:, 1:] ** 2 - 1) + 0.05 * torch.randn(3000, 1)


class MoE(nn.Module):
    def __init__(self, experts=4):
        super().__init__()
        self.gate = nn.Linear(2, experts)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(2, 24), nn.ELU(), nn.Linear(24, 1)) for _ in range(experts))

    def forward(self, x):
        g = self.gate(x).softmax(-1)
        return (torch.cat([e(x) for e in self.experts], 1) * g).sum(1, keepdim=True), g


model = MoE()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(15):
    for i in torch.randperm(2500).split(100):
        out, g = model(x[i])
        loss = nn.functional.mse_loss(out, y[i]) + 0.01 * (g.mean(0) * g.mean(0).log()).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    error = nn.functional.mse_loss(model(x[2500:])[0], y[2500:]).item()
print("error", error, "of", y.var().item())
assert error < 0.1 * y.var().item()
