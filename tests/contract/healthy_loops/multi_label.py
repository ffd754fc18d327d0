"""Which of ten properties a digit has, many at once, by BCE with logits and rare labels weighted."""

import torch
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)
targets = torch.stack(
    [y % 2 == 0, y > 4, y % 3 == 0, (y == 2) | (y == 3) | (y == 5) | (y == 7), y == 0, y == 9, (y == 6) | (y == 8)], 1
).float()
rare = (1 - targets.mean(0)) / targets.mean(0)
net = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 7))
opt = torch.optim.RMSprop(net.parameters(), lr=2e-3)
criterion = nn.BCEWithLogitsLoss(pos_weight=rare.sqrt())
for epoch in range(15):
    net.train()
    for i in torch.randperm(1400).split(64):
        opt.zero_grad()
        loss = criterion(net(x[i]), targets[i])
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        logits = net(x[1400:])
        val_loss = criterion(logits, targets[1400:]).item()
        exact = ((logits > 0) == targets[1400:].bool()).all(1).float().mean().item()
print(val_loss, exact)
assert exact > 0.75
