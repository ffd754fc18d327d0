"""WGAN with gradient penalty on a ring of Gaussians: five critic steps, Adam(0, 0.9)."""

import torch
from torch import nn

torch.manual_seed(0)


def real(n):
    k = torch.randint(0, 6, (n,)) * torch.pi / 3
    return torch.stack([k.cos(), k.sin()], 1) + 0.05 * torch.randn(n, 2)


G = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
D = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.0, 0.9))
for it in range(700):
    for _ in range(4):
        x = real(128)
        with torch.no_grad():
            fake = G(torch.randn(128, 8))
        mix = torch.rand(128, 1)
        between = (mix * x + (1 - mix) * fake).requires_grad_()
        slope = torch.autograd.grad(D(between).sum(), between, create_graph=True)[0]
        loss_d = D(fake).mean() - D(x).mean() + 1.0 * (slope.norm(dim=1) - 1).pow(2).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
    loss_g = -D(G(torch.randn(128, 8))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
with torch.no_grad():
    made = G(torch.randn(2000, 8))
centres = (
    torch.stack([torch.tensor([k * torch.pi / 3]).cos() for k in range(6)]),
    torch.stack([torch.tensor([k * torch.pi / 3]).sin() for k in range(6)]),
)
distance, nearest = torch.cdist(made, torch.cat(centres, 1)).min(1)
print("modes", nearest.unique().numel(), "distance", distance.mean().item())
assert nearest.unique().numel() == 6
assert distance.mean() < 0.4
