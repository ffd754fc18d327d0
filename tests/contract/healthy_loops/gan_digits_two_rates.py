"""A small GAN of 8 x 8 digits, spectral norm in the discriminator, a rate for each player."""

import torch
import torch.nn as nn
from data import digits
from torch.nn.utils.parametrizations import spectral_norm

torch.manual_seed(0)
images, _ = digits()
x = torch.from_numpy(images).flatten(1) / 8 - 1
loader = torch.utils.data.DataLoader(x, batch_size=64, shuffle=True, drop_last=True)
netG = nn.Sequential(
    nn.Linear(20, 128),
    nn.BatchNorm1d(128),
    nn.ReLU(),
    nn.Linear(128, 128),
    nn.BatchNorm1d(128),
    nn.ReLU(),
    nn.Linear(128, 64),
    nn.Tanh(),
)
netD = nn.Sequential(
    spectral_norm(nn.Linear(64, 128)),
    nn.LeakyReLU(0.2),
    spectral_norm(nn.Linear(128, 128)),
    nn.LeakyReLU(0.2),
    spectral_norm(nn.Linear(128, 1)),
)
criterion = nn.BCEWithLogitsLoss()
optD = torch.optim.Adam(netD.parameters(), lr=4e-4, betas=(0.5, 0.999))
optG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
for epoch in range(30):
    for data in loader:
        netD.zero_grad()
        b = data.size(0)
        label = torch.full((b, 1), 0.9)
        errD_real = criterion(netD(data), label)
        errD_real.backward()
        fake = netG(torch.randn(b, 20))
        label.fill_(0.0)
        errD_fake = criterion(netD(fake.detach()), label)
        errD_fake.backward()
        optD.step()
        netG.zero_grad()
        label.fill_(1.0)
        errG = criterion(netD(fake), label)
        errG.backward()
        optG.step()
netG.eval()
with torch.no_grad():
    made = netG(torch.randn(500, 20))
spread = (made.std(0).mean() / x.std(0).mean()).item()
away = (torch.cdist(made, x).amin(1).mean() / torch.cdist(x[:500], x[500:]).amin(1).mean()).item()
print("spread", spread, "distance to the nearest real one", away)
assert spread > 0.6
assert away < 1.6
