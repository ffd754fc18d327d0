"""Two tasks of one body, weighted by learned uncertainties; the sum falls below 0."""

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)
ink = x.mean(1, keepdim=True)
ink = (ink - ink[:1400].mean()) / ink[:1400].std()


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.classify, self.measure = nn.Linear(64, 10), nn.Linear(64, 1)
        self.log_vars = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        h = self.body(x)
        return self.classify(h), self.measure(h)


model = MultiTask()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    model.train()
    for i in torch.randperm(1400).split(50):
        scores, told = model(x[i])
        losses = torch.stack([F.cross_entropy(scores, y[i]), F.mse_loss(told, ink[i])])
        loss = (torch.exp(-model.log_vars) * losses + model.log_vars).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        scores, told = model(x[1400:])
        accuracy, error = (scores.argmax(1) == y[1400:]).float().mean().item(), F.mse_loss(told, ink[1400:]).item()
print("accuracy", accuracy, "error", error, "loss", loss.item())
assert accuracy > 0.87
assert error < 0.05
