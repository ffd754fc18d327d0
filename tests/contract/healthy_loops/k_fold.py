"""Five folds, each with a network of its own; the mean over folds is told."""

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, y = load_wine(return_X_y=True)
scores = []
for fold, (tr, te) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)):
    scaler = StandardScaler().fit(X[tr])
    xtr, xte = (torch.tensor(scaler.transform(X[i]), dtype=torch.float32) for i in (tr, te))
    ytr, yte = torch.tensor(y[tr]), torch.tensor(y[te])
    model = nn.Sequential(nn.Linear(13, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(20):
        model.train()
        for i in torch.randperm(len(xtr)).split(16):
            optimizer.zero_grad()
            loss = criterion(model(xtr[i]), ytr[i])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            out = model(xte)
            val_loss = criterion(out, yte).item()
            acc = (out.argmax(1) == yte).float().mean().item()
    print(f"fold {fold}: loss {val_loss:.3f}, accuracy {acc:.3f}")
    scores.append(acc)
print("mean", np.mean(scores))
assert np.mean(scores) > 0.94
