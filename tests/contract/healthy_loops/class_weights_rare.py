"""Three sizes of class, weighted by their frequency, on wine made uneven."""

import torch
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
keep = [i for i in range(len(y)) if y[i] in (0, 1) or (y[i] in (2, 3, 4, 5) and i % 4 == 0)]
X, y = torch.tensor(X[keep] / 16.0, dtype=torch.float32), torch.tensor(y[keep])
perm = torch.randperm(len(y))
X, y = X[perm], y[perm]
cut = int(0.75 * len(y))
counts = torch.bincount(y[:cut], minlength=6).float()
criterion = nn.CrossEntropyLoss(weight=counts.sum() / (6 * counts))
net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 6))
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
for epoch in range(30):
    net.train()
    for xb, yb in DataLoader(TensorDataset(X[:cut], y[:cut]), batch_size=16, shuffle=True):
        opt.zero_grad()
        criterion(net(xb), yb).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        scores = net(X[cut:])
        val = criterion(scores, y[cut:])
        balanced = balanced_accuracy_score(y[cut:], scores.argmax(1))
print(val.item(), balanced)
assert balanced > 0.85
