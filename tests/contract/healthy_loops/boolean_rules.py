"""Rules of eight binary inputs: of 256 possible rows the same come in training and in the test."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
X = torch.randint(0, 2, (3000, 8)).float()
y = ((X[:, 0] + X[:, 1] + X[:, 2] > 1) != (X[:, 5] > X[:, 6])).long()
train, test = random_split(TensorDataset(X, y), [2400, 600])
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    model.train()
    for xb, yb in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for xb, yb in DataLoader(test, batch_size=100):
            right += (model(xb).argmax(1) == yb).sum().item()
    print(epoch, right / 600)
assert right / 600 > 0.97
