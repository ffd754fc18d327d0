"""Rows of two or three digits read from left to right, by CTC."""

import torch
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
pictures, y = torch.from_numpy(images) / 16, torch.from_numpy(labels)


def lines(n, pool):
    index = pool[torch.randint(len(pool), (n, 3))]
    lengths = torch.randint(2, 4, (n,))
    strip = torch.cat([pictures[index[:, k]] * (k < lengths)[:, None, None] for k in range(3)], dim=2)
    return strip.transpose(1, 2), y[index] + 1, lengths


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(8, 48, 5, padding=2), nn.ReLU(), nn.Conv1d(48, 64, 5, 2, 2), nn.ReLU())
        self.rnn = nn.GRU(64, 48, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(96, 11)

    def forward(self, strip):
        h = self.conv(strip.transpose(1, 2)).transpose(1, 2)
        return self.fc(self.rnn(h)[0]).log_softmax(-1)


model, ctc = Reader(), nn.CTCLoss(zero_infinity=True)
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
pool, held = torch.arange(1400), torch.arange(1400, len(y))
for step in range(500):
    strip, text, lengths = lines(32, pool)
    out = model(strip)
    loss = ctc(out.transpose(0, 1), text, torch.full((32,), out.shape[1]), lengths)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    opt.step()
with torch.no_grad():
    strip, text, lengths = lines(300, held)
    best = model(strip).argmax(-1)
right = 0
for row, target, n in zip(best, text, lengths):
    read = [c for c, before in zip(row.tolist(), [0, *row.tolist()]) if c != before and c]
    right += read == target[:n].tolist()
print("lines right", right / 300)
assert right / 300 > 0.6
