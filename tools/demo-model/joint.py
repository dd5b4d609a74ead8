"""Conversations about pictures: packs of them, and one training step over a pack."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

import hint_labels
import hints
import questions
import samples
import several
import warmup
from chat import Chat, expand
from draw import draw
from model import Group
from views import cut, labels
from world import Scene

HINTS = 0.05  # weight of the questions of hints.py in the loss
# Lengths are padded to multiples of this: matrix products are compiled for each size (2.5 ms on AMX) and kept in a
# cache, so few sizes should occur.
ROUND = 8
FAR = 1 << 20  # a media offset that no text reaches, which hides a padding crop


def stills(media):
    """[(scene, is it shown as a whole only)] of every still that the model is shown, and whether they are a clip's."""
    out, clip = [], False
    for m in media:
        if isinstance(m, Scene):
            out.append((m, False))
        elif isinstance(m, tuple):
            out.append((m[1], True))
        else:
            out += [(s, True) for s in m]
            clip = True
    return out, clip


def look(sample):
    """Lists with an entry a picture of the sample: crops, patch labels, view labels, hint_labels.of_picture."""
    crops, patch, view, shown = [], [], [], []
    seen, clip = stills(sample.media)
    for number, (s, whole) in enumerate(seen):
        before = seen[number - 1][0] if number and (clip or len(seen) == 2) else None  # is compared with it
        v, grid = cut(draw(s), whole)
        p, w = labels(s, grid)
        crops.append(v), patch.append(p), view.append(w)
        shown.append(hint_labels.of_picture(s, w, grid, number, before, clip))
    return crops, patch, view, shown


def batch(chat: Chat, group, first):
    """Padded arrays of a group of samples whose crops start at number `first` of the pack."""
    rows = []
    for s in group:
        seen, clip = stills(s.media)
        scenes = [scene for scene, _ in seen]
        named, listed = (partial(find, stills=scenes, clip=clip) for find in (hint_labels.mentions, hint_labels.listed))
        rows.append(chat.ids(expand(s), s.system, named, listed))
    t, n = -(-max(len(r[0]) for r in rows) // ROUND) * ROUND, max(len(r[1]) for r in rows)
    ids, wanted = np.zeros((len(rows), t), np.int64), np.zeros((len(rows), t), bool)
    offsets, index = np.full((len(rows), n), FAR, np.int64), np.zeros((len(rows), n), np.int64)
    spans, pictures, named = [], [], []
    for i, (row, off, answers, markers, things) in enumerate(rows):
        ids[i, : len(row)] = row
        offsets[i, : len(off)] = off
        index[i, : len(off)] = np.arange(first, first + len(off))
        first += len(off)
        pictures += [i * t + at for at in markers]
        named += [(i * t + at, label) for at, label in things]
        for (a, b), turn in zip(answers, group[i].turns, strict=True):
            wanted[i, a - 1 : b - 1] = True
            spans.append((turn[0], b - a))
    where = (
        np.array([at for at, _ in named], np.int64),
        np.array([label for _, label in named], np.int8).reshape(len(named), hint_labels.WIDTH),
    )
    return dict(
        ids=ids,
        wanted=wanted,
        offsets=offsets,
        index=index,
        spans=spans,
        pictures=np.array(pictures, np.int64),
        named=where,
    ), first


# The language stage begins with this many easy packs: binding words to places is learnt in minutes from few patches,
# and hardly from many.
EASY = 800


def easy(rng: random.Random):
    """Groups of a pack in which most pictures are one crop."""

    def bind():
        return samples.one_picture(rng, False, turns=6, n=rng.choice([2, 3, 3, 4]), only=questions.BINDING)

    return [
        [bind() for _ in range(5)],
        [bind() for _ in range(5)],
        [samples.one_picture(rng, False, turns=5) for _ in range(6)],
        [samples.pictures(rng, turns=4) for _ in range(4)],
        [samples.clip(rng, turns=4) for _ in range(3)],
        [samples.one_picture(rng, turns=5)],
        [samples.no_picture(rng)] if rng.random() < 0.3 else [],
    ]


def plan(rng: random.Random):
    """The groups of one pack."""
    k = rng.choice([5, 6, 7, 8, 8, 10, 12, 16, 20, 24, 28, 32])

    def compare():
        return samples.one_picture(rng, False, turns=6, n=rng.choice([2, 2, 3, 4]), only=questions.COMPARING)

    return [
        [samples.one_picture(rng) for _ in range(4)],
        [samples.one_picture(rng, False) for _ in range(3)],
        [compare() for _ in range(3)],
        [samples.pictures(rng) for _ in range(5)],
        [samples.clip(rng) for _ in range(4)],
        [
            samples.pictures(rng, k=rng.choice([None, 2, 3]), cut=True)
            if rng.random() < 0.5
            else samples.pictures(rng, k=k, turns=6)
        ],
        [samples.no_picture(rng)] if rng.random() < 0.5 else [],
    ]


def practice(rng: random.Random):
    """The same variety for training, with more of what takes longest to be learnt.

    That is lists, pictures by their number, many pictures, what differs, and order.

    What one answer tells of the others (a list, an order, a difference) is asked in short conversations about more
    pictures.
    """

    def lists():
        return samples.one_picture(rng, False, turns=2, n=rng.choice([3, 4, 5, 6]), only=questions.LISTING)

    def compare():
        return samples.one_picture(rng, False, turns=5, n=rng.choice([2, 2, 3, 4]), only=questions.COMPARING)

    def album(*k):
        return samples.pictures(rng, k=rng.choice(k), turns=14, kinds=several.HARDER)

    return [
        [samples.one_picture(rng) for _ in range(2)],
        [samples.one_picture(rng, turns=3, only=["read"])],
        [samples.one_picture(rng, False) for _ in range(3)],
        [lists() for _ in range(4)],
        [compare() for _ in range(2)],
        [samples.pictures(rng, k=rng.choice([2, 3, 3, 4]), kinds=several.HARDER) for _ in range(4)],
        [samples.compared(rng, turns=3, kinds=several.HARDER) for _ in range(5)],
        [samples.clip(rng) for _ in range(3)],
        [samples.clip(rng, turns=2, kind="order") for _ in range(3)],
        [album(5, 6, 7, 8, 10, 12)],
        [album(12, 16, 20, 24, 28, 32, 32)],
        [samples.pictures(rng, k=rng.choice([None, 2, 3]), cut=True)] if rng.random() < 0.3 else [],
        [samples.no_picture(rng)] if rng.random() < 0.3 else [],
    ]


def maker(tok, plan=plan, easy_packs=0):
    """make_pack(rng, number) for Feed. plan: makes the groups of a pack after the easy ones; the default is what is
    measured.
    """
    chat = Chat(tok)

    def make_pack(rng, number):
        crops, patch, view, shown, groups, first = [], [], [], [], [], 0
        for group in filter(None, easy(rng) if number < easy_packs else plan(rng)):
            for s in group:
                for rows, more in zip((crops, patch, view, shown), look(s), strict=True):
                    rows.extend(more)
            b, first = batch(chat, group, first)
            groups.append(b)
        return np.concatenate(crops), np.concatenate(patch), np.concatenate(view), np.concatenate(shown), groups

    return make_pack


def answers_right(logits, targets, spans):
    """{skill: (right, asked)}; an answer is right when each of its tokens has the largest logit, as greedy decoding
    needs.
    """
    ok = (logits.argmax(-1) == targets).tolist()
    out, at = {}, 0
    for skill, n in spans:
        r, a = out.get(skill, (0, 0))
        out[skill] = (r + all(ok[at : at + n]), a + 1)
        at += n
    return out


def learn(run, pack, dense, pick):
    """dense: weight of the per-patch questions, or None for a frozen vision tower."""
    crops, patch, view, shown, groups = pack
    crops = torch.from_numpy(crops)
    with torch.set_grad_enabled(dense is not None):
        embeds = run.model.see(crops)
    leaf = embeds.detach().requires_grad_(dense is not None)
    tap = []
    loss, right = answer_loss(run.model, groups, leaf, tap)
    asked, seen = hints.loss(run.hints, tap, *hinted(groups, torch.from_numpy(shown)))
    (loss + HINTS * asked).backward()
    if dense is not None:
        more, _ = warmup.dense_loss(run.heads, embeds, torch.from_numpy(patch), torch.from_numpy(view), pick)
        torch.autograd.backward([embeds, more * dense], [leaf.grad, None])
    return loss.item(), right | seen


def hinted(groups, shown):
    """(tokens, labels) of the pictures and of the things that are named, over all groups one after another."""
    pictures, named, base = [], [], 0
    for b in groups:
        pictures.append(torch.from_numpy(b["pictures"] + base))
        named.append((torch.from_numpy(b["named"][0] + base), torch.from_numpy(b["named"][1])))
        base += b["ids"].size
    return (torch.cat(pictures), shown), tuple(torch.cat(x) for x in zip(*named, strict=True))


def answer_loss(model, groups, embeds, tap=None):
    """Mean cross-entropy of the answers' tokens, {skill: (right, asked)}"""
    dtype = embeds.dtype
    groups_ = [
        Group(model.c, *(torch.from_numpy(b[k]) for k in ("ids", "offsets", "index", "wanted")), dtype=dtype)
        for b in groups
    ]
    logits = model.read(groups_, embeds, tap).float()
    targets = torch.cat([s.ids[:, 1:][s.wanted[:, :-1]] for s in groups_])
    return F.cross_entropy(logits, targets), answers_right(logits, targets, [x for b in groups for x in b["spans"]])
