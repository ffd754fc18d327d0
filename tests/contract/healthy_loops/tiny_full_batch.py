"""Iris: 150 flowers, all in one batch, SGD, accuracy of training and test printed."""

import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(0)
X, y = load_iris(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=1, stratify=y)
X_train, X_test = torch.FloatTensor(X_train), torch.FloatTensor(X_test)
y_train, y_test = torch.LongTensor(y_train), torch.LongTensor(y_test)
model = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(150):
    y_pred = model(X_train)
    loss = criterion(y_pred, y_train)
    if epoch % 25 == 0:
        print("epoch", epoch, "loss", loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    train_right = (model(X_train).argmax(1) == y_train).float().mean().item()
    right = (model(X_test).argmax(1) == y_test).float().mean().item()
print(train_right, right)
assert right > 0.9
