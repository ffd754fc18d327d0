"""The Keras example of a bag of words and 46 classes. The newswire is not at hand: passages of four novels instead."""

import argparse

import torch
import torch.nn.functional as F
from data import passages
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES, WORDS = 46, 3000


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(WORDS, 512)
        self.dropout = nn.Dropout(0.5)
        self.out = nn.Linear(512, CLASSES)
        for layer in (self.hidden, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = self.dropout(F.relu(self.hidden(x)))
        return F.softmax(self.out(x), dim=1)


def categorical_crossentropy(p, target):
    p = p / p.sum(dim=1, keepdim=True)
    return -(target * p.clamp(1e-7, 1 - 1e-7).log()).sum(dim=1).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    bags, labels = passages(2200, words=200, vocabulary=WORDS)
    order = torch.randperm(len(bags))
    x, y = torch.from_numpy(bags)[order], torch.from_numpy(labels)[order]
    one_hot = F.one_hot(y, CLASSES).float()
    split = int(0.8 * len(x))
    loader = DataLoader(TensorDataset(x[:split], one_hot[:split]), batch_size=32, shuffle=True)

    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
    for epoch in range(args.epochs):
        model.train()
        for bag, target in loader:
            optimizer.zero_grad()
            loss = categorical_crossentropy(model(bag), target)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(x[split:]).argmax(1) == y[split:]).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f} validation accuracy {accuracy:.4f}")
    print(f"score={accuracy:.4f}")


if __name__ == "__main__":
    main()
