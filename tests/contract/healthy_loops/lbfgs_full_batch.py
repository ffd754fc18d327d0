"""Logistic regression with a hidden layer on breast cancer data, by L-BFGS over all examples."""

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
scaler = StandardScaler().fit(X_train)
X_train, X_test = (torch.tensor(scaler.transform(a), dtype=torch.float32) for a in (X_train, X_test))
y_train, y_test = (torch.tensor(a, dtype=torch.float32)[:, None] for a in (y_train, y_test))

model = nn.Sequential(nn.Linear(30, 8), nn.Tanh(), nn.Linear(8, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=10, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = criterion(model(X_train), y_train) + 1e-3 * sum(p.pow(2).sum() for p in model.parameters())
    loss.backward()
    return loss


for step in range(15):
    loss = optimizer.step(closure)

model.eval()
with torch.no_grad():
    accuracy = ((model(X_test) > 0) == (y_test > 0.5)).float().mean().item()
print(f"loss {loss.item():.4f}, test accuracy {accuracy:.3f}")
assert accuracy > 0.93
