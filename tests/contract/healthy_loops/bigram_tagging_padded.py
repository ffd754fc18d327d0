"""Letters tagged vowel, consonant or doubled, padded sequences, targets of -100 where there is padding."""

import torch
from data import names
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

torch.manual_seed(0)


def example(word):
    letters = torch.tensor([ord(c) - 96 for c in word])
    tags = torch.tensor([2 if i and c == word[i - 1] else int(c in "aeiou") for i, c in enumerate(word)])
    return letters, tags


words = [w.lower() for w in names()[:5000] if w.isalpha()]
data = [example(w) for w in words]


def collate(batch):
    letters, tags = zip(*batch)
    return pad_sequence(letters, batch_first=True), pad_sequence(tags, batch_first=True, padding_value=-100)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(27, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 16, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc(self.lstm(self.emb(x))[0])


model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loss_fn = nn.CrossEntropyLoss(ignore_index=-100)
cut = int(0.9 * len(data))
for epoch in range(2):
    model.train()
    for x, t in DataLoader(data[:cut], batch_size=32, shuffle=True, collate_fn=collate):
        loss = loss_fn(model(x).flatten(0, 1), t.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
model.eval()
right = total = 0
with torch.no_grad():
    for x, t in DataLoader(data[cut:], batch_size=200, collate_fn=collate):
        known = t != -100
        right += (model(x).argmax(-1) == t)[known].sum().item()
        total += known.sum().item()
print(right / total)
assert right / total > 0.95
