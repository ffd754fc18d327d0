import argparse
import random

import torch
from data import names
from torch import nn
from torch.nn.utils.rnn import pad_sequence

PAD, START, END = 0, 27, 28


def encode(word):
    return torch.tensor([START] + [ord(c) - ord("a") + 1 for c in word] + [END])


class CharModel(nn.Module):
    def __init__(self, embed=24, hidden=64):
        super().__init__()
        self.embedding = nn.Embedding(29, embed, padding_idx=PAD)
        self.lstm = nn.LSTM(embed, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(hidden, 29)

    def forward(self, tokens):
        states, _ = self.lstm(self.embedding(tokens))
        return self.head(self.dropout(states))


def batches(words, size, shuffle):
    words = list(words)
    if shuffle:
        random.shuffle(words)
    for i in range(0, len(words), size):
        padded = pad_sequence([encode(w) for w in words[i : i + size]], batch_first=True, padding_value=PAD)
        yield padded[:, :-1], padded[:, 1:]


def validate(model, words):
    model.eval()
    loss_fn = nn.CrossEntropyLoss(ignore_index=PAD, reduction="sum")
    total, count = 0.0, 0
    with torch.no_grad():
        for inputs, targets in batches(words, 200, shuffle=False):
            logits = model(inputs)
            total += loss_fn(logits.reshape(-1, 29), targets.reshape(-1)).item()
            count += (targets != PAD).sum().item()
    return total / count


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)

    words = names()[:4000]
    random.shuffle(words)
    train_words, val_words = words[:3200], words[3200:]
    model = CharModel()
    loss_fn = nn.CrossEntropyLoss(ignore_index=PAD)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.8)
    for epoch in range(args.epochs):
        model.train()
        history = []
        for inputs, targets in batches(train_words, 64, shuffle=True):
            logits = model(inputs)
            loss = loss_fn(logits.reshape(-1, 29), targets.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            history.append(loss.item())
        scheduler.step()
        print(epoch, sum(history) / len(history), validate(model, val_words))
    print(f"score={-validate(model, val_words):.4f}")
