"""Classes drawn evenly in training by a WeightedRandomSampler; evaluation keeps its nine to one."""

import torch
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(0)
X, y = make_classification(4000, 10, n_informative=5, weights=[0.9], class_sep=1.3, flip_y=0.0, random_state=1)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
X = (X - X[:3000].mean(0)) / X[:3000].std(0)
train, test = TensorDataset(X[:3000], y[:3000]), TensorDataset(X[3000:], y[3000:])
weights = 1.0 / torch.bincount(y[:3000]).float()
sampler = WeightedRandomSampler(weights[y[:3000]], 3000)
model = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 2))
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    model.train()
    for xb, yb in DataLoader(train, batch_size=64, sampler=sampler):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        opt.step()
    model.eval()
    outs, losses = [], []
    with torch.no_grad():
        for xb, yb in DataLoader(test, batch_size=250):
            outs.append(model(xb))
            losses.append(nn.functional.cross_entropy(outs[-1], yb).item())
    score = balanced_accuracy_score(y[3000:], torch.cat(outs).argmax(1))
    print(epoch, sum(losses) / len(losses), score)
assert score > 0.85
