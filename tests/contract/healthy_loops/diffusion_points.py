"""Denoising diffusion of a Swiss roll: noise is told at random times, samples are drawn at the end."""

import torch
from sklearn.datasets import make_swiss_roll
from torch import nn

torch.manual_seed(0)
data = torch.tensor(make_swiss_roll(4000, noise=0.3, random_state=0)[0][:, [0, 2]], dtype=torch.float32) / 8
T = 50
beta = torch.linspace(1e-3, 0.15, T)
alpha_bar = torch.cumprod(1 - beta, 0)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(T, 32)
        self.inp = nn.Linear(2, 128)
        self.cond = nn.Linear(32, 128)
        self.body = nn.Sequential(nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU())
        self.out = nn.Linear(128, 2)

    def forward(self, x, t):
        return self.out(self.body(self.inp(x) + self.cond(self.time(t))))


net = Denoiser()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
history = []
for step in range(900):
    x0 = data[torch.randint(len(data), (128,))]
    t = torch.randint(0, T, (128,))
    noise = torch.randn_like(x0)
    a = alpha_bar[t].unsqueeze(1)
    loss = nn.functional.mse_loss(net(a.sqrt() * x0 + (1 - a).sqrt() * noise, t), noise)
    opt.zero_grad()
    loss.backward()
    opt.step()
    history.append(loss.item())
with torch.no_grad():
    x = torch.randn(1000, 2)
    for t in reversed(range(T)):
        eps = net(x, torch.full((1000,), t))
        x = (x - beta[t] / (1 - alpha_bar[t]).sqrt() * eps) / (1 - beta[t]).sqrt()
        if t:
            x = x + beta[t].sqrt() * torch.randn_like(x)
    away = torch.cdist(x, data).amin(1).mean().item()
print("loss", sum(history[-100:]) / 100, "distance to the data", away)
assert away < 0.2
