"""Few noisy examples: validation gets worse for long while the loop waits; the best weights are put back."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
X = torch.randn(260, 12)
y = (torch.sin(2 * X[:, 0]) + X[:, 1] + 0.7 * torch.randn(260)).unsqueeze(1)
X_train, y_train, X_val, y_val = X[:130], y[:130], X[130:], y[130:]
model = nn.Sequential(nn.Linear(12, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 1))
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
best, keep, bad = float("inf"), None, 0
for epoch in range(300):
    model.train()
    for i in torch.randperm(130).split(26):
        loss = nn.functional.mse_loss(model(X_train[i]), y_train[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(model(X_val), y_val).item()
    if val < best - 1e-4:
        best, keep, bad = val, copy.deepcopy(model.state_dict()), 0
    elif (bad := bad + 1) >= 60:
        break
model.load_state_dict(keep)
with torch.no_grad():
    final = nn.functional.mse_loss(model(X_val), y_val).item()
print("epochs", epoch, "last", val, "restored", final, "of", y_val.var().item())
assert final < 0.75 * y_val.var().item()
