"""Conversations about pictures: packs of them, and one training step over a pack."""
from __future__ import annotations
import random
import numpy as np
import torch
import torch.nn.functional as F
import questions, samples, warmup
from chat import Chat, expand
from draw import draw
from model import Group
from views import cut, labels
from world import Scene

FAR = 1 << 20  # an offset no text reaches: hides the padding


def frames(media):
    """(scene, cut or whole) of every still that the model is shown."""
    for m in media:
        if isinstance(m, Scene):
            yield m, False
        elif isinstance(m, tuple):
            yield m[1], True
        else:
            yield from ((s, True) for s in m)


def look(sample, dense=True):
    """crops, patch labels, view labels of a sample's media"""
    crops, patch, view = [], [], []
    for s, whole in frames(sample.media):
        v, grid = cut(draw(s), whole)
        crops.append(v)
        if dense:
            p, w = labels(s, grid)
            patch.append(p), view.append(w)
    return crops, patch, view


def batch(chat: Chat, group, first):
    """Padded arrays of a group of samples whose crops start at number `first` of the pack."""
    rows = [chat.ids(expand(s), s.system) for s in group]
    t, n = max(len(r[0]) for r in rows), max(len(r[1]) for r in rows)
    ids, wanted = np.zeros((len(rows), t), np.int64), np.zeros((len(rows), t), bool)
    offsets, index = np.full((len(rows), n), FAR, np.int64), np.zeros((len(rows), n), np.int64)
    spans = []
    for i, (row, off, answers) in enumerate(rows):
        ids[i, :len(row)] = row
        offsets[i, :len(off)] = off
        index[i, :len(off)] = np.arange(first, first + len(off))
        first += len(off)
        for (a, b), turn in zip(answers, group[i].turns):
            wanted[i, a - 1:b - 1] = True
            spans.append((turn[0], b - a))
    return dict(ids=ids, wanted=wanted, offsets=offsets, index=index, spans=spans), first


EASY = 2400  # packs of the language stage before the whole variety: binding words to places is learnt from few patches in minutes, from many hardly


def easy(rng: random.Random):
    """Groups of a pack in which most pictures are one crop."""
    bind = lambda: samples.one_picture(rng, False, turns=6, n=rng.choice([2, 3, 3, 4]), only=questions.BINDING)
    return [[bind() for _ in range(5)], [bind() for _ in range(5)], [samples.one_picture(rng, False, turns=5) for _ in range(6)],
            [samples.pictures(rng, turns=4) for _ in range(4)], [samples.clip(rng, turns=4) for _ in range(3)],
            [samples.one_picture(rng, turns=5)], [samples.no_picture(rng)] if rng.random() < 0.3 else []]


def plan(rng: random.Random):
    """The groups of one pack."""
    k = rng.choice([5, 6, 7, 8, 8, 10, 12, 16, 20, 24, 28, 32])
    compare = lambda: samples.one_picture(rng, False, turns=6, n=rng.choice([2, 2, 3, 4]), only=questions.COMPARING)
    return [[samples.one_picture(rng) for _ in range(4)],
            [samples.one_picture(rng, False) for _ in range(3)], [compare() for _ in range(3)],
            [samples.pictures(rng) for _ in range(5)],
            [samples.clip(rng) for _ in range(4)],
            [samples.pictures(rng, k=rng.choice([None, 2, 3]), cut=True) if rng.random() < 0.5 else samples.pictures(rng, k=k, turns=6)],
            [samples.no_picture(rng)] if rng.random() < 0.5 else []]


def maker(tok, easy_packs=0):
    def make_pack(rng, number):
        chat = maker.chat = getattr(maker, "chat", None) or Chat(tok)
        crops, patch, view, groups, first = [], [], [], [], 0
        for group in filter(None, easy(rng) if number < easy_packs else plan(rng)):
            for s in group:
                c, p, v = look(s)
                crops += c
                patch += p
                view += v
            b, first = batch(chat, group, first)
            groups.append(b)
        return np.concatenate(crops), np.concatenate(patch), np.concatenate(view), groups
    return make_pack


def answers_right(logits, targets, spans):
    """{skill: (right, asked)}; an answer is right when each of its tokens is the likeliest, which is what greedy decoding needs."""
    ok = (logits.argmax(-1) == targets).tolist()
    out, at = {}, 0
    for skill, n in spans:
        r, a = out.get(skill, (0, 0))
        out[skill] = (r + all(ok[at:at + n]), a + 1)
        at += n
    return out


def learn(run, pack, dense, pick):
    """dense: weight of the per-patch questions, or None for a frozen vision tower."""
    crops, patch, view, groups = pack
    crops = torch.from_numpy(crops)
    with torch.set_grad_enabled(dense is not None):
        embeds = run.model.see(crops)
    leaf = embeds.detach().requires_grad_(dense is not None)
    loss, right = answer_loss(run.model, groups, leaf)
    loss.backward()
    if dense is not None:
        more, _ = warmup.dense_loss(run.heads, embeds, torch.from_numpy(patch), torch.from_numpy(view), pick)
        torch.autograd.backward([embeds, more * dense], [leaf.grad, None])
    return loss.item(), right


def answer_loss(model, groups, embeds):
    """Mean cross-entropy of the answers' tokens, {skill: (right, asked)}"""
    dtype = embeds.dtype
    groups_ = [Group(model.c, *(torch.from_numpy(b[k]) for k in ("ids", "offsets", "index", "wanted")), dtype=dtype) for b in groups]
    logits = model.read(groups_, embeds).float()
    targets = torch.cat([s.ids[:, 1:][s.wanted[:, :-1]] for s in groups_])
    return F.cross_entropy(logits, targets), answers_right(logits, targets, [x for b in groups for x in b["spans"]])
