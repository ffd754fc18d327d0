"""The convolutional network of the Keras examples on MNIST, in PyTorch with Keras's start, loss and optimiser."""

import argparse

import torch
import torch.nn.functional as F
from data import mnist
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()
torch.manual_seed(args.seed)


def glorot(layer):
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def categorical_crossentropy(p, y):
    p = p / p.sum(dim=1, keepdim=True)
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(F.one_hot(y, 10) * p.log()).sum(dim=1).mean()


def load(split, count):
    images, labels = mnist(split, count)
    x = torch.from_numpy(images).float()[:, None] / 255
    return F.avg_pool2d(x, 2), torch.from_numpy(labels)


x_train, y_train = load("train", 1500)
x_test, y_test = load("test", 500)

model = nn.Sequential(
    glorot(nn.Conv2d(1, 32, 3)),
    nn.ReLU(),
    glorot(nn.Conv2d(32, 64, 3)),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Dropout(0.25),
    nn.Flatten(),
    glorot(nn.Linear(64 * 5 * 5, 128)),
    nn.ReLU(),
    nn.Dropout(0.5),
    glorot(nn.Linear(128, 10)),
    nn.Softmax(dim=1),
)
optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7)


def accuracy():
    model.eval()
    with torch.no_grad():
        return (model(x_test).argmax(dim=1) == y_test).float().mean().item()


for epoch in range(args.epochs):
    model.train()
    for rows in torch.randperm(len(x_train)).split(128):
        loss = categorical_crossentropy(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f} val_accuracy {accuracy():.4f}")
print(f"score={accuracy():.4f}")
