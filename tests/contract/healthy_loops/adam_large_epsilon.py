"""Adam with an epsilon of 1e-4, as in deep Q-learning, on a tiny net and diabetes data standardised."""

import torch
from sklearn.datasets import load_diabetes
from torch import nn

torch.manual_seed(0)
X, y = load_diabetes(return_X_y=True)
X = torch.tensor(X * 21.0, dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
perm = torch.randperm(len(X))
tr, va = perm[:350], perm[350:]
net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
opt = torch.optim.Adam(net.parameters(), lr=2e-3, eps=1e-4, weight_decay=1e-3)
mse = nn.MSELoss()
for epoch in range(40):
    net.train()
    for idx in tr[torch.randperm(len(tr))].split(32):
        opt.zero_grad()
        mse(net(X[idx]), y[idx]).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        val = mse(net(X[va]), y[va]).item()
print("validation mse", val)
assert val < 0.7 * y[va].var().item()
