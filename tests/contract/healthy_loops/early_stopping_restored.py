"""Training goes on until validation has not improved for some epochs; the best weights are put back."""

import copy

import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(0)
X, y = load_diabetes(return_X_y=True)
X_tr, X_va, y_tr, y_va = train_test_split(X, y, test_size=0.3, random_state=0)
to = lambda a: torch.tensor(a, dtype=torch.float32)  # noqa: E731
X_tr, X_va = to(X_tr / X_tr.std(0)), to(X_va / X_tr.std(0))
mean, std = y_tr.mean(), y_tr.std()
y_tr, y_va = to((y_tr - mean) / std)[:, None], to((y_va - mean) / std)[:, None]
model = nn.Sequential(nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
criterion, opt = nn.MSELoss(), torch.optim.Adam(model.parameters(), lr=1e-3)
best, best_state, waited, patience = float("inf"), None, 0, 20
for epoch in range(200):
    model.train()
    for i in torch.randperm(len(X_tr)).split(32):
        opt.zero_grad()
        criterion(model(X_tr[i]), y_tr[i]).backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        val = criterion(model(X_va), y_va).item()
    if val < best:
        best, best_state, waited = val, copy.deepcopy(model.state_dict()), 0
    else:
        waited += 1
        if waited >= patience:
            print("stopped after epoch", epoch)
            break
model.load_state_dict(best_state)
with torch.no_grad():
    final = criterion(model(X_va), y_va).item()
print("validation", final, "of", y_va.var().item())
assert final < 0.7 * y_va.var().item()
