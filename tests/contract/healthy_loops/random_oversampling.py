"""A rare class is brought to the size of the other by copying its examples, in the training part alone."""

import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
rng = np.random.default_rng(0)
X, y = make_classification(3000, 12, n_informative=6, weights=[0.93], class_sep=1.5, flip_y=0.0, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
rare = np.where(y_train == 1)[0]
extra = rng.choice(rare, (y_train == 0).sum() - len(rare))
index = np.concatenate([np.arange(len(y_train)), extra])
mean, std = X_train.mean(0), X_train.std(0)
tensors = [torch.tensor(((a - mean) / std), dtype=torch.float32) for a in (X_train[index], X_test)]
loader = DataLoader(TensorDataset(tensors[0], torch.tensor(y_train[index])), batch_size=64, shuffle=True)
net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(10):
    net.train()
    for xb, yb in loader:
        opt.zero_grad()
        nn.functional.cross_entropy(net(xb), yb).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        out = net(tensors[1])
        loss = nn.functional.cross_entropy(out, torch.tensor(y_test))
        score = f1_score(y_test, out.argmax(1))
    print(epoch, loss.item(), score)
assert score > 0.6
