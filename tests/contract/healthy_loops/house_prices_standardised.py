"""Prices of hundreds of thousands, standardised for the net and put back for the figures; Huber loss."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
n = 2000
area, age, rooms = torch.rand(n) * 150 + 40, torch.rand(n) * 80, torch.randint(1, 7, (n,)).float()
lat, lon = 48 + torch.rand(n), 11 + torch.rand(n)
price = 300_000 + 4_000 * area - 900 * age + 80_000 * torch.sin(6 * lat) * torch.cos(5 * lon) + 20_000 * rooms
price = price + 20_000 * torch.randn(n)
X = torch.stack([area, age, rooms, lat, lon], 1)
mu, sd = X[:1600].mean(0), X[:1600].std(0)
pm, ps = price[:1600].mean(), price[:1600].std()
train = DataLoader(TensorDataset((X[:1600] - mu) / sd, (price[:1600] - pm) / ps), batch_size=32, shuffle=True)
test_x, test_y = (X[1600:] - mu) / sd, price[1600:]
model = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
huber = nn.HuberLoss(delta=1.0)
for epoch in range(25):
    model.train()
    for xb, yb in train:
        opt.zero_grad()
        loss = huber(model(xb).squeeze(-1), yb)
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        told = model(test_x).squeeze(-1) * ps + pm
        mae = nn.functional.l1_loss(told, test_y).item()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: mean error {mae:,.0f}")
assert mae < 0.35 * (test_y - test_y.median()).abs().mean().item()
