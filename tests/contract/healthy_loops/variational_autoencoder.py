"""A VAE of digits: summed BCE and KL, reparametrised by hand."""

import torch
import torch.nn.functional as F
from data import mnist
from torch import nn

torch.manual_seed(0)
images, _ = mnist("train", 2500)
x = torch.from_numpy(images).float().flatten(1) / 255


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 200)
        self.fc21, self.fc22 = nn.Linear(200, 16), nn.Linear(200, 16)
        self.fc3, self.fc4 = nn.Linear(16, 200), nn.Linear(200, 784)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x, reduction="sum")
    return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    model.train()
    for i in torch.randperm(2000).split(64):
        optimizer.zero_grad()
        recon, mu, logvar = model(x[i])
        loss_function(recon, x[i], mu, logvar).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test = (loss_function(model(x[2000:])[0], x[2000:], *model(x[2000:])[1:]) / 500).item()
    print(epoch, test)
with torch.no_grad():
    sample = model.decode(torch.randn(16, 16))
assert test < 150
