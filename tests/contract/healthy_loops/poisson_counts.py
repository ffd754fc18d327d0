"""Counts of visits by hour and weather, Poisson NLL of a log rate; zeros are frequent."""

import torch
from torch import nn

torch.manual_seed(0)
hour = torch.randint(0, 24, (4000,))
rain, warm = torch.rand(4000) < 0.3, torch.rand(4000)
rate = torch.exp(0.2 + 1.2 * torch.sin((hour - 8) / 24 * 6.28) + warm - 0.8 * rain.float())
count = torch.poisson(rate)
X = torch.cat([nn.functional.one_hot(hour, 24).float(), rain[:, None].float(), warm[:, None]], 1)
model = nn.Sequential(nn.Linear(26, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.PoissonNLLLoss(log_input=True)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(15):
    for i in torch.randperm(3200).split(64):
        loss = criterion(model(X[i])[:, 0], count[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        log_rate = model(X[3200:])[:, 0]
        val = criterion(log_rate, count[3200:]).item()
off = ((log_rate.exp() - rate[3200:]) / rate[3200:]).abs().mean().item()
print("validation", val, "rates off by", off)
assert off < 0.25
