import argparse

import torch
from data import digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=20)
args = parser.parse_args()
torch.manual_seed(args.seed)

images, labels = digits()
pixels = images.reshape(len(images), -1)
X_train, X_val, y_train, y_val = train_test_split(pixels, labels, test_size=0.25, random_state=args.seed)
mean, std = X_train.mean(axis=0), X_train.std(axis=0) + 1e-3
X_train = (X_train - mean) / std
X_val = (X_val - mean) / std

train_set = TensorDataset(torch.tensor(X_train), torch.tensor(y_train))
val_set = TensorDataset(torch.tensor(X_val), torch.tensor(y_val))
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=128)

model = nn.Sequential(
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)


def accuracy():
    model.eval()
    correct = 0
    with torch.no_grad():
        for inputs, targets in val_loader:
            correct += (model(inputs).argmax(dim=1) == targets).sum().item()
    return correct / len(val_set)


for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(inputs)
    print(f"epoch {epoch}: loss {total / len(train_set):.4f}, accuracy {accuracy():.3f}")

print(f"score={accuracy():.4f}")
