"""Names through a code of 32 numbers and back: the targets are the input, and the code is all that passes."""

import torch
from data import names
from torch import nn

torch.manual_seed(0)
words = [w.lower()[:6].ljust(6, "~") for w in names()[:8000]]
x = torch.tensor([[ord(c) - 96 if c != "~" else 0 for c in w] for w in words])
perm = torch.randperm(len(x))
train, test = x[perm[:7000]], x[perm[7000:]]


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(27, 24)
        self.encoder = nn.GRU(24, 96, batch_first=True)
        self.code = nn.Linear(96, 32)
        self.open = nn.Linear(32, 96)
        self.decoder = nn.GRU(96, 96, batch_first=True)
        self.out = nn.Linear(96, 27)

    def forward(self, x):
        code = torch.tanh(self.code(self.encoder(self.embed(x))[1][0]))
        return self.out(self.decoder(torch.relu(self.open(code)).unsqueeze(1).repeat(1, x.shape[1], 1))[0])


model = Autoencoder()
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(7):
    model.train()
    for i in torch.randperm(7000).split(64):
        loss = criterion(model(train[i]).reshape(-1, 27), train[i].reshape(-1))
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        right = (model(test).argmax(-1) == test).float().mean().item()
    print(epoch, loss.item(), right)
assert right > 0.75
