"""A trainer class with activation checkpointing, evaluation every k steps inside the loop, and tied autoencoder weights."""

import itertools

import torch
import torch.nn.functional as F
from data import mnist
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(784, 128), nn.Linear(128, 24)
        self.back_b, self.back_a = nn.Parameter(torch.zeros(128)), nn.Parameter(torch.zeros(784))

    def encode(self, x):
        return self.b(F.relu(self.a(x)))

    def decode(self, z):
        return F.linear(F.relu(F.linear(z, self.b.weight.t(), self.back_b)), self.a.weight.t(), self.back_a)

    def forward(self, x):
        z = checkpoint(self.encode, x, use_reentrant=False)
        return checkpoint(self.decode, z, use_reentrant=False)


class Trainer:
    def __init__(self, model, train, val, lr=2e-3, every=60):
        self.model, self.train, self.val, self.every = model, train, val, every
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.history = []

    def step(self, batch):
        self.model.train()
        loss = F.binary_cross_entropy_with_logits(self.model(batch), batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        return sum(F.binary_cross_entropy_with_logits(self.model(b), b).item() for b in self.val) / len(self.val)

    def fit(self, steps):
        stream = itertools.chain.from_iterable(itertools.repeat(self.train))
        for step, batch in zip(range(1, steps + 1), stream):
            self.step(batch)
            if step % self.every == 0:
                self.history.append(self.evaluate())
                print(step, self.history[-1])


torch.manual_seed(0)
images, _ = mnist("train", 2400)
x = torch.from_numpy(images).float().flatten(1) / 255
trainer = Trainer(Tied(), DataLoader(x[:2000], 64, shuffle=True), DataLoader(x[2000:], 200))
trainer.fit(300)
assert trainer.history[-1] < 0.15
