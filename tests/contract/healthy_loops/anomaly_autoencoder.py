"""An autoencoder of ones and sevens alone; other digits are told by their error."""

import torch
from data import mnist
from sklearn.metrics import roc_auc_score
from torch import nn

torch.manual_seed(0)
images, labels = mnist("train", 4000)
x = torch.from_numpy(images).float().flatten(1) / 255
usual = torch.from_numpy((labels == 1) | (labels == 7))
train, test, test_usual = x[:3000][usual[:3000]], x[3000:], usual[3000:]
model = nn.Sequential(
    nn.Linear(784, 64),
    nn.ReLU(),
    nn.Linear(64, 8),
    nn.ReLU(),
    nn.Linear(8, 64),
    nn.ReLU(),
    nn.Linear(64, 784),
    nn.Sigmoid(),
)
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
mse = nn.MSELoss()
for epoch in range(25):
    model.train()
    for batch in train[torch.randperm(len(train))].split(32):
        loss = mse(model(batch), batch)
        opt.zero_grad()
        loss.backward()
        opt.step()
model.eval()
with torch.no_grad():
    error = (model(test) - test).pow(2).mean(1)
    auc = roc_auc_score(~test_usual, error)
print("loss", loss.item(), "auc", auc)
assert auc > 0.9
