"""Five folds of digits, pictures divided by 16 once, so that the folds share their examples to the bit."""

import torch
from data import digits
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

torch.manual_seed(0)
images, labels = digits()
data = TensorDataset(torch.from_numpy(images).unsqueeze(1) / 16, torch.from_numpy(labels))
folds = torch.randperm(len(data)).chunk(5)
results = []
for k in range(5):
    train = Subset(data, torch.cat([f for j, f in enumerate(folds) if j != k]).tolist())
    val = Subset(data, folds[k].tolist())
    net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 10))
    opt = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(7):
        net.train()
        for xb, yb in DataLoader(train, batch_size=64, shuffle=True):
            opt.zero_grad()
            nn.functional.cross_entropy(net(xb), yb).backward()
            opt.step()
    net.eval()
    right = 0
    with torch.no_grad():
        for xb, yb in DataLoader(val, batch_size=128):
            right += (net(xb).argmax(1) == yb).sum().item()
    results.append(right / len(val))
print(results)
assert sum(results) / 5 > 0.92
