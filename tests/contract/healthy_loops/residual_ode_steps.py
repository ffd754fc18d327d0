"""A residual net as an ODE: one field applied eight times with small steps, to tell two spirals apart."""

import torch
from torch import nn

torch.manual_seed(0)
t = torch.rand(1200) * 2.5 + 0.3
side = (torch.arange(1200) % 2).float()
angle = t * 3 + side * torch.pi
x = torch.stack([t * angle.cos(), t * angle.sin()], 1) / 2.8 + 0.02 * torch.randn(1200, 2)


class Flow(nn.Module):
    def __init__(self, width=32, steps=8):
        super().__init__()
        self.lift = nn.Linear(2, width)
        self.field = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))
        self.read = nn.Linear(width, 1)
        self.steps = steps

    def forward(self, x):
        h = self.lift(x)
        for _ in range(self.steps):
            h = h + self.field(h) / self.steps
        return self.read(h).squeeze(-1)


model = Flow()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
sched = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=5)
for epoch in range(60):
    model.train()
    for i in torch.randperm(1000).split(50):
        loss = nn.functional.binary_cross_entropy_with_logits(model(x[i]), side[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        out = model(x[1000:])
        val = nn.functional.binary_cross_entropy_with_logits(out, side[1000:])
    sched.step(val)
accuracy = ((out > 0) == (side[1000:] > 0.5)).float().mean().item()
print("accuracy", accuracy)
assert accuracy > 0.9
