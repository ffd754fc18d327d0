"""An echo-state net: a random recurrent layer that is never trained, and a readout that is."""

import torch
from data import transformer_station
from torch import nn

torch.manual_seed(0)
series = torch.from_numpy(transformer_station()[:3000])
series = (series - series[:2400].mean(0)) / series[:2400].std(0)


class Reservoir(nn.Module):
    def __init__(self, inputs, size=120):
        super().__init__()
        self.rnn = nn.RNN(inputs, size, batch_first=True)
        with torch.no_grad():
            w = self.rnn.weight_hh_l0
            w.mul_(0.8 / torch.linalg.eigvals(w).abs().max())
        self.rnn.requires_grad_(False)
        self.readout = nn.Linear(size + inputs, 1)

    def forward(self, x):
        return self.readout(torch.cat([self.rnn(x)[0], x], -1))


model = Reservoir(7)
opt = torch.optim.Adam(model.readout.parameters(), lr=5e-3)
windows = series.unfold(0, 49, 12).transpose(1, 2)
train, test = windows[:190], windows[205:]
for epoch in range(25):
    for i in torch.randperm(len(train)).split(16):
        out = model(train[i, :-1])[:, 10:, 0]
        loss = nn.functional.mse_loss(out, train[i, 11:, -1])
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    val = nn.functional.mse_loss(model(test[:, :-1])[:, 10:, 0], test[:, 11:, -1]).item()
print("mse", val, "of", test[:, 11:, -1].var().item())
assert val < 0.25 * test[:, 11:, -1].var().item()
