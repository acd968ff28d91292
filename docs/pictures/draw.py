"""Draws the pictures in demo/: python3 draw.py [FOLDER]. Needs numpy and Pillow.

Everything is painted four times as large as it is kept: soft shapes first, then thousands of
short strokes that take their colour from what lies below them, as a brush would.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SCALE = 4


def rgb(text):
    return np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)], float)


def smooth(points, closed=True, steps=16):
    """A Catmull-Rom curve through points."""
    p = np.array(points, float)
    n = len(p)
    out = []
    for i in range(n if closed else n - 1):
        at = (lambda k: p[k % n]) if closed else (lambda k: p[min(max(k, 0), n - 1)])
        a, b, c, d = at(i - 1), at(i), at(i + 1), at(i + 2)
        for t in np.linspace(0, 1, steps, endpoint=False):
            out.append(
                0.5
                * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
            )
    if not closed:
        out.append(p[-1])
    return np.array(out)


class Painting:
    """Coordinates run from 0 to 1 across and from 0 to height/width down."""

    def __init__(self, width, height, seed):
        self.size = (width * SCALE, height * SCALE)
        self.kept = (width, height)
        w, h = self.size
        self.unit = w
        ys, xs = np.mgrid[0:h, 0:w]
        self.x, self.y = (xs + 0.5) / w, (ys + 0.5) / w
        self.image = np.zeros((h, w, 3))
        self.random = np.random.default_rng(seed)

    # ---- masks, 0 to 1 ----

    def _mask(self, draw, blur):
        mask = Image.new("L", self.size, 0)
        draw(ImageDraw.Draw(mask))
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * self.unit))
        return np.asarray(mask, float) / 255

    def polygon(self, points, blur=0.0015):
        points = [tuple(np.array(p) * self.unit) for p in points]
        return self._mask(lambda d: d.polygon(points, fill=255), blur)

    def blob(self, points, blur=0.0015):
        return self.polygon(smooth(points), blur)

    def line(self, points, width, blur=0.0015):
        points = [tuple(p * self.unit) for p in smooth(points, closed=False)]
        return self._mask(lambda d: d.line(points, fill=255, width=max(1, round(width * self.unit)), joint="curve"), blur)

    def ellipse(self, cx, cy, rx, ry, angle=0.0, soft=0.0015):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        u, v = self.x - cx, self.y - cy
        d = np.hypot((u * c + v * s) / rx, (v * c - u * s) / ry)
        return np.clip((1 - d) * min(rx, ry) / max(soft, 1e-4) + 0.5, 0, 1)

    def glow(self, cx, cy, rx, ry, power=2.0):
        return np.exp(-(((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2) ** (power / 2))

    # ---- painting ----

    def paint(self, mask, color, opacity=1.0):
        color = rgb(color) if isinstance(color, str) else color
        m = (mask * opacity)[..., None]
        self.image = self.image * (1 - m) + color * m

    def fade(self, top, bottom, mask=None, direction=(0, 1)):
        """A gradient; over the mask's extent, or the whole."""
        t = self.x * direction[0] + self.y * direction[1]
        inside = t if mask is None else t[mask > 0.5]
        t = np.clip((t - inside.min()) / (np.ptp(inside) + 1e-9), 0, 1)[..., None]
        colors = rgb(top) * (1 - t) + rgb(bottom) * t
        self.paint(np.ones(t.shape[:2]) if mask is None else mask, colors)

    def multiply(self, mask, color, opacity=1.0):
        m = (mask * opacity)[..., None]
        self.image = self.image * (1 - m + m * rgb(color) / 255)

    def lighten(self, mask, color, opacity=1.0):
        m = (mask * opacity)[..., None]
        self.image = 255 - (255 - self.image) * (1 - m * rgb(color) / 255)

    def strokes(self, mask, direction, count, length, width, jitter=14, opacity=0.8, bend=0.3, tint=None, within=False):
        """Short curved strokes; direction is an angle (radians) or a function of (x, y)."""
        w, h = self.size
        flat = np.flatnonzero(mask.ravel() > 0.35)
        if not len(flat):
            return
        picked = self.random.choice(flat, count)
        layer = Image.fromarray(np.clip(self.image, 0, 255).astype(np.uint8)).convert("RGB")
        below = np.asarray(layer.filter(ImageFilter.GaussianBlur(0.004 * self.unit)), float)
        draw = ImageDraw.Draw(layer)
        for k in picked:
            py, px = divmod(int(k), w)
            x, y = px / self.unit, py / self.unit
            angle = direction(x, y) if callable(direction) else direction
            angle += self.random.normal(0, 0.18)
            size = length * self.random.uniform(0.6, 1.4) * self.unit
            turn = self.random.normal(0, bend)
            mid = (px + 0.5 * size * np.cos(angle), py + 0.5 * size * np.sin(angle))
            end = (mid[0] + 0.5 * size * np.cos(angle + turn), mid[1] + 0.5 * size * np.sin(angle + turn))
            color = below[py, px] + self.random.normal(0, jitter) + self.random.normal(0, jitter / 4, 3)
            if tint is not None and self.random.random() < 0.3:
                color = 0.7 * color + 0.3 * rgb(tint)
            color = tuple(int(c) for c in np.clip(color, 0, 255))
            draw.line([(px, py), mid, end], fill=color, width=max(1, round(width * self.random.uniform(0.6, 1.3) * self.unit)))
        painted = np.asarray(layer.filter(ImageFilter.GaussianBlur(0.0012 * self.unit)), float)
        share = opacity * mask[..., None] if within else opacity
        self.image = self.image * (1 - share) + painted * share

    def finished(self, alpha=None):
        image = Image.fromarray(np.clip(self.image, 0, 255).astype(np.uint8))
        if alpha is not None:
            image.putalpha(Image.fromarray((alpha * 255).astype(np.uint8)))
        return image.resize(self.kept, Image.LANCZOS)


def away(cx, cy, lift=0.0):
    """The direction away from a point: how fur lies on a face."""
    return lambda x, y: np.arctan2(y - cy + lift, x - cx)


def mirrored(points, axis=0.5):
    return [(2 * axis - x, y) for x, y in points]


def eye(p, cx, cy, r, iris, rim, pupil_rx, dark="20160f", lids=0.0, squash=0.92):
    """An animal's eye."""
    p.paint(p.ellipse(cx, cy, r * 1.22, r * squash * 1.2, soft=0.006), dark, 0.9)
    p.paint(p.ellipse(cx, cy, r, r * squash), rim)
    p.paint(p.glow(cx, cy + 0.25 * r, r * 0.8, r * 0.75, 4) * p.ellipse(cx, cy, r, r * squash), iris)
    p.lighten(p.glow(cx, cy + 0.55 * r, r * 0.6, r * 0.4) * p.ellipse(cx, cy, r, r * squash), "fff6c0", 0.55)
    p.paint(p.ellipse(cx, cy, pupil_rx, r * squash * 0.86, soft=0.004), "0b0908")
    p.multiply(p.ellipse(cx, cy - r * 0.9, r * 1.1, r * 0.6, soft=0.02) * p.ellipse(cx, cy, r, r * squash), "3a2a20", 0.75)
    p.paint(p.ellipse(cx - 0.3 * r, cy - 0.33 * r, r * 0.2, r * 0.2, soft=0.004), "ffffff", 0.95)
    p.paint(p.ellipse(cx + 0.32 * r, cy + 0.36 * r, r * 0.1, r * 0.1, soft=0.004), "ffffff", 0.6)


def cat():
    p = Painting(160, 160, 1)
    p.fade("7fb3b0", "33586b", direction=(0.4, 1))
    p.lighten(p.glow(0.2, 0.15, 0.5, 0.4), "f2e6b8", 0.45)
    p.strokes(np.ones_like(p.x), 0.9, 1500, 0.11, 0.022, jitter=9, opacity=0.9)

    body = p.blob([(0.16, 1.05), (0.22, 0.84), (0.38, 0.72), (0.62, 0.72), (0.78, 0.84), (0.84, 1.05)], 0.006)
    p.fade("d5813a", "99501f", body)
    p.paint(p.blob([(0.36, 0.78), (0.64, 0.78), (0.6, 0.95), (0.5, 1.04), (0.4, 0.95)], 0.02) * body, "f6e4cb")
    p.multiply(p.glow(0.5, 0.76, 0.26, 0.1), "7a4a2a", 0.7)
    p.strokes(body, np.pi / 2, 2600, 0.05, 0.006, jitter=13)

    left = [(0.155, 0.115), (0.115, 0.3), (0.16, 0.46), (0.34, 0.36), (0.43, 0.255), (0.3, 0.15)]
    head = [
        (0.5, 0.235), (0.66, 0.26), (0.79, 0.36), (0.855, 0.5), (0.845, 0.61), (0.77, 0.71),
        (0.66, 0.785), (0.5, 0.815), (0.34, 0.785), (0.23, 0.71), (0.155, 0.61), (0.145, 0.5), (0.21, 0.36), (0.34, 0.26),
    ]
    ears = p.polygon(smooth(left, steps=12), 0.004) + p.polygon(smooth(mirrored(left), steps=12), 0.004)
    face = p.blob(head, 0.005)
    whole = np.clip(ears + face, 0, 1)
    p.paint(whole, "dd8a3e")
    for side in (lambda q: q, mirrored):
        inner = side([(0.18, 0.18), (0.16, 0.3), (0.2, 0.4), (0.32, 0.33), (0.345, 0.28), (0.26, 0.2)])
        p.paint(p.blob(inner, 0.008), "c9756a")
        p.multiply(p.blob(side([(0.2, 0.28), (0.19, 0.4), (0.27, 0.4), (0.3, 0.33)]), 0.02), "6d3a35", 0.7)
    p.lighten(p.glow(0.36, 0.36, 0.25, 0.2) * face, "ffdf9a", 0.45)
    p.multiply(p.glow(0.86, 0.62, 0.17, 0.3) * face, "8a4a24", 0.75)
    p.multiply(p.glow(0.5, 0.86, 0.42, 0.12) * face, "94552d", 0.6)
    # The tabby's marks.
    dark = "8a4317"
    for side in (lambda q: q, mirrored):
        for mark, width in [
            ([(0.445, 0.25), (0.455, 0.31), (0.44, 0.385)], 0.024),
            ([(0.385, 0.265), (0.4, 0.32), (0.385, 0.375)], 0.02),
            ([(0.33, 0.285), (0.345, 0.325), (0.33, 0.36)], 0.014),
            ([(0.16, 0.5), (0.2, 0.51), (0.25, 0.5)], 0.02),
            ([(0.155, 0.57), (0.2, 0.585), (0.265, 0.57)], 0.022),
            ([(0.175, 0.635), (0.215, 0.645), (0.26, 0.635)], 0.016),
        ]:
            p.paint(p.line(side(mark), width, 0.006), dark, 0.72)
    p.paint(p.line([(0.5, 0.24), (0.5, 0.3), (0.5, 0.35)], 0.022, 0.006), dark, 0.72)
    # White around the eyes, on the muzzle and the chin.
    for side in (lambda q: q, mirrored):
        (ex, ey), = side([(0.335, 0.475)])
        p.paint(p.ellipse(ex, ey - 0.005, 0.105, 0.095, soft=0.04), "f4d3a0", 0.55)
    p.paint(p.ellipse(0.5, 0.56, 0.05, 0.15, soft=0.04), "f7dcb2", 0.75)
    for cx in (0.425, 0.575):
        p.paint(p.ellipse(cx, 0.655, 0.115, 0.08, soft=0.035), "fdf3e4")
    p.paint(p.ellipse(0.5, 0.735, 0.085, 0.055, soft=0.03), "f5e6d2")
    p.strokes(whole, away(0.5, 0.56), 7500, 0.032, 0.0045, jitter=15, opacity=0.9, tint="ffe0a8")
    p.multiply(p.ellipse(0.5, 0.7, 0.09, 0.02, soft=0.03), "9a6a4a", 0.35)

    for cx in (0.335, 0.665):
        eye(p, cx, 0.478, 0.072, "9cc23c", "3f6a2a", 0.02)
    # Eyelids slant towards the nose.
    for side in (lambda q: q, mirrored):
        p.paint(p.line(side([(0.245, 0.475), (0.285, 0.415), (0.345, 0.4), (0.4, 0.435), (0.425, 0.5)]), 0.015, 0.002), "25160d", 0.92)
    nose = p.blob([(0.462, 0.588), (0.5, 0.58), (0.538, 0.588), (0.528, 0.613), (0.5, 0.632), (0.472, 0.613)], 0.003)
    p.paint(nose, "cf6f70")
    p.lighten(p.glow(0.488, 0.593, 0.02, 0.008) * nose, "ffe0dc", 0.8)
    p.multiply(p.glow(0.5, 0.628, 0.03, 0.01) * nose, "7a2f35", 0.7)
    for curve in ([(0.5, 0.63), (0.5, 0.668)], [(0.5, 0.666), (0.465, 0.694), (0.415, 0.688)], [(0.5, 0.666), (0.535, 0.694), (0.585, 0.688)]):
        p.paint(p.line(curve, 0.007, 0.002), "5a2d22", 0.9)
    for side in (lambda q: q, mirrored):
        for dx, dy in ((0.37, 0.645), (0.39, 0.665), (0.355, 0.67), (0.375, 0.69)):
            (cx, cy), = side([(dx, dy)])
            p.paint(p.ellipse(cx, cy, 0.005, 0.005), "a9714c", 0.7)
        for start, mid, end in [
            ((0.37, 0.645), (0.22, 0.6), (0.05, 0.59)),
            ((0.355, 0.668), (0.2, 0.655), (0.035, 0.675)),
            ((0.375, 0.688), (0.23, 0.71), (0.075, 0.765)),
        ]:
            p.paint(p.line(side([start, mid, end]), 0.0045, 0.001), "fffaf0", 0.85)
    return p.finished()


def dog():
    p = Painting(160, 160, 2)
    p.fade("d9c7a3", "8fa37a", direction=(0.2, 1))
    p.lighten(p.glow(0.75, 0.1, 0.5, 0.4), "fff3cf", 0.6)
    p.strokes(np.ones_like(p.x), 2.3, 1500, 0.11, 0.022, jitter=8, opacity=0.9)

    body = p.blob([(0.14, 1.06), (0.2, 0.88), (0.36, 0.76), (0.64, 0.76), (0.8, 0.88), (0.86, 1.06)], 0.006)
    p.fade("a86b3c", "6d3f20", body)
    p.paint(p.blob([(0.38, 0.8), (0.62, 0.8), (0.6, 1.06), (0.4, 1.06)], 0.025) * body, "f3e8d8")
    p.strokes(body, np.pi / 2, 2400, 0.05, 0.006, jitter=12)
    collar = p.line([(0.24, 0.815), (0.32, 0.865), (0.4, 0.895), (0.5, 0.905), (0.6, 0.895), (0.68, 0.865), (0.76, 0.815)], 0.042, 0.002) * body
    p.paint(collar, "b0362f")
    p.lighten(p.line([(0.3, 0.838), (0.4, 0.885), (0.5, 0.893), (0.6, 0.885), (0.7, 0.838)], 0.01, 0.004), "ff9a8c", 0.6)
    p.paint(p.ellipse(0.5, 0.945, 0.032, 0.034), "e0b13c")
    p.lighten(p.glow(0.49, 0.935, 0.014, 0.014), "fff7d0", 0.9)

    head = [
        (0.5, 0.13), (0.62, 0.145), (0.71, 0.21), (0.755, 0.33), (0.745, 0.47), (0.71, 0.58), (0.655, 0.7),
        (0.58, 0.79), (0.5, 0.81), (0.42, 0.79), (0.345, 0.7), (0.29, 0.58), (0.255, 0.47), (0.245, 0.33), (0.29, 0.21), (0.38, 0.145),
    ]
    face = p.blob(head, 0.005)
    p.paint(face, "b9763f")
    p.lighten(p.glow(0.42, 0.24, 0.2, 0.16) * face, "ffd9a0", 0.4)
    p.multiply(p.glow(0.75, 0.5, 0.12, 0.3) * face, "7c4722", 0.7)
    # Blaze and muzzle.
    p.paint(p.blob([(0.5, 0.14), (0.525, 0.25), (0.535, 0.38), (0.59, 0.5), (0.41, 0.5), (0.465, 0.38), (0.475, 0.25)], 0.014), "fbf4e8")
    p.paint(p.ellipse(0.5, 0.62, 0.155, 0.165, soft=0.03), "fbf3e6")
    p.multiply(p.glow(0.62, 0.66, 0.07, 0.16) * face, "cfae8c", 0.55)
    p.multiply(p.glow(0.38, 0.7, 0.06, 0.1) * face, "d9bd9d", 0.45)
    for cx in (0.385, 0.615):
        p.multiply(p.glow(cx, 0.4, 0.085, 0.075), "6a3c1e", 0.55)
        p.paint(p.ellipse(cx, 0.325, 0.035, 0.018, angle=-14 if cx < 0.5 else 14, soft=0.016), "e3ab6c", 0.85)
    p.strokes(face, away(0.5, 0.53), 6500, 0.03, 0.0045, jitter=13, opacity=0.9, tint="ffe9c8")

    left = [(0.3, 0.165), (0.22, 0.17), (0.14, 0.26), (0.095, 0.42), (0.105, 0.56), (0.16, 0.64), (0.22, 0.6), (0.265, 0.48), (0.295, 0.36), (0.335, 0.25)]
    for points, light in ((left, 0.5), (mirrored(left), 0.15)):
        ear = p.blob(points, 0.004)
        p.multiply(p.blob([(x + (0.02 if light > 0.3 else -0.02), y + 0.02) for x, y in points], 0.02) * face, "5a3116", 0.6)
        p.fade("8b4f26", "54290f", ear)
        cx = np.mean([q[0] for q in points])
        p.lighten(p.glow(cx - 0.02, 0.3, 0.07, 0.14) * ear, "ffc98a", light)
        p.strokes(ear, np.pi / 2 + (0.25 if cx < 0.5 else -0.25), 1900, 0.04, 0.005, jitter=12)

    for cx in (0.39, 0.61):
        eye(p, cx, 0.41, 0.052, "7a4722", "3a1d0b", 0.026, dark="1c100a", squash=0.95)
    nose = p.blob([(0.425, 0.545), (0.46, 0.525), (0.5, 0.522), (0.54, 0.525), (0.575, 0.545), (0.565, 0.585), (0.525, 0.612), (0.5, 0.617), (0.475, 0.612), (0.435, 0.585)], 0.003)
    p.paint(nose, "2a2224")
    p.lighten(p.glow(0.475, 0.541, 0.045, 0.012) * nose, "e8ecff", 0.75)
    for cx in (0.463, 0.537):
        p.paint(p.ellipse(cx, 0.582, 0.016, 0.011, soft=0.006), "080607")
    p.paint(p.blob([(0.455, 0.7), (0.545, 0.7), (0.552, 0.765), (0.53, 0.805), (0.5, 0.815), (0.47, 0.805), (0.448, 0.765)], 0.003), "dd6f79")
    p.multiply(p.glow(0.5, 0.705, 0.06, 0.025), "8a2f3a", 0.7)
    p.paint(p.line([(0.5, 0.72), (0.5, 0.785)], 0.006, 0.004), "b74c58", 0.8)
    p.lighten(p.glow(0.478, 0.765, 0.012, 0.028), "ffd0d4", 0.6)
    for curve in ([(0.5, 0.615), (0.5, 0.675)], [(0.5, 0.674), (0.45, 0.713), (0.385, 0.705), (0.355, 0.675)], [(0.5, 0.674), (0.55, 0.713), (0.615, 0.705), (0.645, 0.675)]):
        p.paint(p.line(curve, 0.011, 0.003), "3b2019", 0.92)
    for side in (lambda q: q, mirrored):
        for dx, dy in ((0.41, 0.625), (0.395, 0.65), (0.425, 0.655)):
            (cx, cy), = side([(dx, dy)])
            p.paint(p.ellipse(cx, cy, 0.005, 0.005), "7d5a44", 0.8)
    return p.finished()


def portrait():
    p = Painting(144, 176, 3)
    p.fade("8c9bb8", "4b4a6b", direction=(0.3, 1))
    p.lighten(p.glow(0.85, 0.25, 0.45, 0.5), "f4c9a8", 0.55)
    p.strokes(np.ones_like(p.x), 1.1, 1500, 0.13, 0.028, jitter=9, opacity=0.9)

    hair = "4a2a1d"
    back = p.blob([(0.5, 0.075), (0.7, 0.13), (0.81, 0.31), (0.84, 0.55), (0.86, 0.78), (0.8, 0.98), (0.2, 0.98), (0.14, 0.78), (0.16, 0.55), (0.19, 0.31), (0.3, 0.13)], 0.006)
    p.fade("5b3524", "2c1711", back)
    p.strokes(back, lambda x, y: np.pi / 2 + 0.35 * (x - 0.5) * (0.7 - y), 2300, 0.1, 0.007, jitter=11, bend=0.12)
    shoulders = p.blob([(0.02, 1.3), (0.06, 1.12), (0.2, 1.03), (0.38, 0.97), (0.5, 1.0), (0.62, 0.97), (0.8, 1.03), (0.94, 1.12), (0.98, 1.3)], 0.004)
    p.fade("2f6f78", "1b4652", shoulders)
    p.strokes(shoulders, lambda x, y: np.pi / 2 + (x - 0.5), 900, 0.08, 0.014, jitter=9)
    neck = p.blob([(0.39, 0.75), (0.61, 0.75), (0.615, 0.92), (0.68, 1.0), (0.6, 1.07), (0.5, 1.1), (0.4, 1.07), (0.32, 1.0), (0.385, 0.92)], 0.004)
    p.paint(neck, "d49a78")
    p.multiply(p.glow(0.53, 0.83, 0.15, 0.08) * neck, "8a4f3c", 0.8)

    face = p.blob([
        (0.5, 0.22), (0.63, 0.245), (0.71, 0.34), (0.725, 0.48), (0.71, 0.61), (0.66, 0.73), (0.585, 0.82), (0.5, 0.85),
        (0.415, 0.82), (0.34, 0.73), (0.29, 0.61), (0.275, 0.48), (0.29, 0.34), (0.37, 0.245),
    ], 0.004)
    p.paint(face, "ecbd9c")
    p.lighten(p.glow(0.4, 0.38, 0.16, 0.14) * face, "ffeeda", 0.45)
    p.lighten(p.glow(0.4, 0.6, 0.09, 0.08) * face, "ffe2cc", 0.35)
    p.multiply(p.glow(0.74, 0.6, 0.13, 0.32) * face, "b06a4e", 0.75)
    p.multiply(p.glow(0.5, 0.9, 0.24, 0.1) * face, "a9674f", 0.6)
    for cx in (0.385, 0.62):
        p.paint(p.glow(cx, 0.625, 0.07, 0.05) * face, "e2806f", 0.42)
    for cx in (0.4, 0.6):
        p.multiply(p.glow(cx, 0.465, 0.075, 0.04), "b98066", 0.55)
    p.multiply(p.glow(0.552, 0.56, 0.022, 0.09), "b5765a", 0.5)
    p.lighten(p.glow(0.492, 0.55, 0.014, 0.08), "fff3e6", 0.5)
    p.strokes(face * (1 - p.glow(0.5, 0.5, 0.01, 0.01)), lambda x, y: np.arctan2(y - 0.53, x - 0.5) + np.pi / 2, 1500, 0.05, 0.012, jitter=4, opacity=0.7, within=True)
    p.lighten(p.glow(0.493, 0.625, 0.018, 0.014), "fff0e4", 0.55)
    for cx in (0.468, 0.532):
        p.paint(p.ellipse(cx, 0.655, 0.013, 0.007, angle=12 if cx < 0.5 else -12, soft=0.008), "8f4a3a", 0.8)
    p.paint(p.line([(0.44, 0.64), (0.45, 0.665), (0.475, 0.662), (0.5, 0.675), (0.525, 0.662), (0.55, 0.665), (0.56, 0.64)], 0.007, 0.004), "b06c55", 0.6)

    for cx, sign in ((0.4, 1), (0.6, -1)):
        side = (lambda q, cx=cx, sign=sign: [(cx + sign * (x - 0.4), y) for x, y in q])
        white = p.blob(side([(0.335, 0.49), (0.365, 0.462), (0.405, 0.455), (0.445, 0.474), (0.462, 0.5), (0.43, 0.512), (0.39, 0.517), (0.355, 0.507)]), 0.002)
        p.paint(white, "f6efe8")
        p.multiply(p.glow(cx, 0.455, 0.07, 0.018) * white, "8a7d80", 0.7)
        p.paint(p.ellipse(cx + 0.002, 0.485, 0.031, 0.031) * white, "2f4f5e")
        p.paint(p.glow(cx + 0.002, 0.494, 0.02, 0.017, 3) * white, "6f9aa6", 0.85)
        p.paint(p.ellipse(cx + 0.002, 0.485, 0.0135, 0.0135) * white, "0b0b10")
        p.paint(p.ellipse(cx - 0.008, 0.475, 0.0075, 0.0075), "ffffff", 0.95)
        p.paint(p.line(side([(0.33, 0.492), (0.36, 0.46), (0.405, 0.451), (0.447, 0.47), (0.465, 0.502)]), 0.012, 0.002), "2a1510", 0.95)
        p.paint(p.line(side([(0.334, 0.49), (0.318, 0.478)]), 0.007, 0.001), "2a1510", 0.9)
        p.paint(p.line(side([(0.36, 0.51), (0.395, 0.521), (0.435, 0.514)]), 0.005, 0.003), "9a5f4a", 0.7)
        p.paint(p.line(side([(0.34, 0.447), (0.37, 0.43), (0.41, 0.426), (0.45, 0.44)]), 0.005, 0.003), "a8694f", 0.6)
        p.paint(p.line(side([(0.315, 0.405), (0.36, 0.376), (0.41, 0.378), (0.455, 0.395)]), 0.015, 0.005), "4c2b1e", 0.88)

    upper = p.blob([(0.425, 0.74), (0.46, 0.729), (0.485, 0.722), (0.5, 0.727), (0.515, 0.722), (0.54, 0.729), (0.575, 0.74), (0.54, 0.746), (0.5, 0.748), (0.46, 0.746)], 0.002)
    lower = p.blob([(0.43, 0.742), (0.46, 0.747), (0.5, 0.749), (0.54, 0.747), (0.57, 0.742), (0.545, 0.768), (0.5, 0.778), (0.455, 0.768)], 0.002)
    p.paint(lower, "cf6f6a")
    p.paint(upper, "b2504f")
    p.lighten(p.glow(0.485, 0.76, 0.03, 0.007), "ffe0dc", 0.6)
    p.paint(p.line([(0.418, 0.736), (0.455, 0.746), (0.5, 0.748), (0.545, 0.746), (0.582, 0.736)], 0.006, 0.002), "6d2a2a", 0.9)
    p.multiply(p.glow(0.5, 0.797, 0.05, 0.012), "b5745c", 0.55)

    fringe = [
        p.blob([(0.47, 0.17), (0.42, 0.27), (0.335, 0.35), (0.29, 0.47), (0.275, 0.66), (0.225, 0.82), (0.17, 0.72), (0.16, 0.5), (0.195, 0.31), (0.28, 0.155), (0.4, 0.085)], 0.003),
        p.blob([(0.45, 0.16), (0.57, 0.26), (0.67, 0.34), (0.715, 0.46), (0.725, 0.66), (0.775, 0.82), (0.83, 0.72), (0.84, 0.5), (0.805, 0.31), (0.72, 0.155), (0.58, 0.08)], 0.003),
    ]
    for lock, cx in zip(fringe, (0.25, 0.76)):
        p.multiply(np.roll(lock, (8, 8 if cx < 0.5 else -8), (0, 1)) * face, "8a5340", 0.45)
        p.fade("6b3f2a", "3a2017", lock)
        p.lighten(p.glow(cx + 0.08, 0.24, 0.1, 0.06) * lock, "e8a878", 0.6 if cx < 0.5 else 0.35)
        outward = -1 if cx < 0.5 else 1
        flow = lambda x, y, outward=outward: np.arctan2(1.0, outward * max(1.5 - 3.2 * y, -0.1))
        p.strokes(lock, flow, 1500, 0.06, 0.006, jitter=11, bend=0.12, within=True)
    p.paint(p.line([(0.4, 1.075), (0.5, 1.105), (0.6, 1.075)], 0.012, 0.003), "d8b25a", 0.9)
    p.paint(p.ellipse(0.5, 1.125, 0.022, 0.024), "c9443f")
    p.lighten(p.glow(0.494, 1.118, 0.008, 0.008), "ffffff", 0.9)
    return p.finished()


def landscape():
    p = Painting(190, 127, 4)
    p.fade("5f8fc4", "f6d6b0", p.ellipse(0.5, 0.2, 2, 2) * (p.y < 0.36))
    p.paint((p.y >= 0.36) * 1.0, "7fa05c")
    p.lighten(p.glow(0.74, 0.29, 0.24, 0.16), "fff0b8", 0.85)
    p.paint(p.ellipse(0.74, 0.27, 0.034, 0.034, soft=0.01), "fffbe6")
    for cx, cy, w in ((0.2, 0.1, 0.14), (0.33, 0.125, 0.1), (0.53, 0.07, 0.12), (0.9, 0.12, 0.12), (0.12, 0.125, 0.09)):
        for k in range(5):
            p.paint(p.glow(cx + (k - 2) * w * 0.33, cy - 0.014 * (2 - abs(k - 2)), w * 0.3, 0.024), "fff6ea", 0.62)
        p.multiply(p.glow(cx, cy + 0.02, w, 0.012), "b9b4c8", 0.35)
    p.strokes((p.y < 0.37) * 1.0, 0.05, 1500, 0.05, 0.012, jitter=5, opacity=0.8)

    def ridge(base, height, rough, seed):
        r = np.random.default_rng(seed)
        xs = np.linspace(-0.05, 1.05, 60)
        ys = base + sum(height / (k + 1) ** rough * np.sin(2 * np.pi * ((k + 0.7) * xs + r.uniform())) for k in range(7))
        return list(zip(xs, ys))

    def below(line, blur=0.002):
        return p.polygon(line + [(1.1, 0.8), (-0.1, 0.8)], blur)

    # Mountains, paler with distance.
    far = [(-0.05, 0.33), (0.08, 0.26), (0.15, 0.29), (0.27, 0.165), (0.33, 0.215), (0.38, 0.19), (0.5, 0.3), (0.6, 0.265), (0.68, 0.305), (0.83, 0.235), (0.95, 0.3), (1.05, 0.27)]
    m = below(far)
    p.fade("8798bd", "c9bfc4", m * (p.y < 0.37))
    for tip, a, b in (((0.27, 0.165), (0.225, 0.215), (0.315, 0.212)), ((0.38, 0.19), (0.355, 0.205), (0.415, 0.22)), ((0.83, 0.235), (0.79, 0.258), (0.87, 0.262))):
        p.paint(p.polygon([tip, a, ((tip[0] + a[0]) / 2 + 0.012, a[1] - 0.006), (tip[0], a[1] + 0.012), ((tip[0] + b[0]) / 2, b[1] - 0.008), b], 0.002) * m, "f7f3f2", 0.95)
        p.multiply(p.polygon([tip, a, (tip[0], a[1] + 0.06)], 0.006) * m, "9aa3c4", 0.4)
    for line, top, bottom in (
        (ridge(0.33, 0.014, 0.9, 7), "6f8fa0", "93a893"),
        (ridge(0.37, 0.018, 1.0, 9), "5f8a64", "8fb06a"),
    ):
        p.fade(top, bottom, below(line) * (p.y < 0.48))
    p.strokes(((p.y > 0.2) & (p.y < 0.42)) * below(far), lambda x, y: 0.5 + np.sin(9 * x), 1500, 0.03, 0.008, jitter=6, opacity=0.7)

    meadow = below(ridge(0.43, 0.008, 1.1, 3))
    p.fade("a7bd5e", "55803c", meadow)
    # The river comes from the hills and widens.
    river = [(0.585, 0.418), (0.6, 0.43), (0.56, 0.455), (0.6, 0.485), (0.5, 0.54), (0.56, 0.6), (0.44, 0.7), (0.12, 0.7), (0.26, 0.61), (0.36, 0.54), (0.53, 0.485), (0.535, 0.455), (0.575, 0.43)]
    water = p.blob(river, 0.003)
    p.strokes(meadow * (1 - water), lambda x, y: -np.pi / 2 + 0.5 * np.sin(12 * x), 3600, 0.03, 0.006, jitter=11)
    p.paint(p.blob([(x, y + 0.004) for x, y in river], 0.006), "4c6a35", 0.8)
    p.fade("f4dcb4", "5f93b8", water)
    p.strokes(water, 0.0, 700, 0.05, 0.005, jitter=10, opacity=0.7)
    p.lighten(p.glow(0.56, 0.47, 0.05, 0.04) * water, "fff4cc", 0.7)

    # A cottage.
    p.multiply(p.glow(0.75, 0.475, 0.11, 0.014), "3f5a2c", 0.8)
    p.paint(p.polygon([(0.69, 0.405), (0.79, 0.405), (0.79, 0.47), (0.69, 0.47)]), "f2e4cc")
    p.multiply(p.polygon([(0.69, 0.405), (0.725, 0.405), (0.725, 0.47), (0.69, 0.47)]), "c6b29c", 0.7)
    p.paint(p.polygon([(0.675, 0.41), (0.705, 0.362), (0.78, 0.362), (0.806, 0.41)]), "a8483a")
    p.lighten(p.polygon([(0.735, 0.41), (0.74, 0.362), (0.78, 0.362), (0.806, 0.41)]), "ff9a70", 0.35)
    p.paint(p.polygon([(0.757, 0.34), (0.772, 0.34), (0.772, 0.372), (0.757, 0.372)]), "8a4a40")
    p.paint(p.polygon([(0.745, 0.43), (0.762, 0.43), (0.762, 0.47), (0.745, 0.47)]), "6b4a33")
    for x in (0.7, 0.773):
        p.paint(p.polygon([(x, 0.425), (x + 0.012, 0.425), (x + 0.012, 0.443), (x, 0.443)]), "5f7f96")

    def tree(cx, base, size, top, dark):
        p.multiply(p.glow(cx + 0.02, base, size * 0.7, 0.014), "38522a", 0.8)
        p.paint(p.polygon([(cx - 0.06 * size, base), (cx - 0.035 * size, base - size * 0.6), (cx + 0.035 * size, base - size * 0.6), (cx + 0.06 * size, base)]), "5a3c26")
        r = np.random.default_rng(int(cx * 1000))
        crown = np.zeros_like(p.x)
        for _ in range(16):
            a, d = r.uniform(0, 2 * np.pi), r.uniform(0, 0.3) * size
            crown = np.maximum(crown, p.ellipse(cx + d * np.cos(a), base - size * 0.85 + 0.9 * d * np.sin(a), size * 0.17, size * 0.16, soft=0.01))
        p.paint(crown, dark)
        p.paint(p.glow(cx + 0.12 * size, base - size * 0.98, size * 0.3, size * 0.26) * crown, top, 0.85)
        p.strokes(crown, -0.6, int(4200 * size), 0.018, 0.007, jitter=15)

    tree(0.9, 0.5, 0.19, "b6c352", "3f6a35")
    tree(0.63, 0.455, 0.08, "a6b94e", "466f3a")
    tree(0.13, 0.53, 0.27, "c0c24e", "33602f")
    tree(0.27, 0.47, 0.11, "a9bb4c", "41703a")
    # Flowers in front.
    r = np.random.default_rng(8)
    for _ in range(170):
        y = r.uniform(0.53, 0.665)
        x = r.uniform(0, 1)
        s = 0.0022 + 0.006 * (y - 0.5) / 0.16
        if water[min(int(y * p.unit), water.shape[0] - 1), int(x * p.unit)] < 0.05:
            p.paint(p.ellipse(x, y, s, s * 0.85), ["f4d24a", "e8584a", "fbf4ea", "c77fc0"][r.integers(4)], 0.95)
    return p.finished()


def fruit():
    p = Painting(160, 160, 5)
    p.image[:] = rgb("c9b79d")
    alpha = np.zeros_like(p.x)

    def shadow(cx, cy, rx, ry):
        nonlocal alpha
        m = p.glow(cx, cy, rx, ry) * 0.55
        p.paint(np.clip(m * 4, 0, 1), "4a3428")
        alpha = np.maximum(alpha, m)

    def solid(mask):
        nonlocal alpha
        alpha = np.maximum(alpha, mask)

    shadow(0.52, 0.83, 0.44, 0.065)
    p.paint((alpha > 0) * 1.0, "3c2a20")

    pear = p.blob([(0.3, 0.17), (0.355, 0.2), (0.385, 0.3), (0.4, 0.4), (0.47, 0.5), (0.5, 0.63), (0.46, 0.77), (0.36, 0.83), (0.23, 0.83), (0.13, 0.76), (0.1, 0.62), (0.14, 0.49), (0.21, 0.39), (0.225, 0.29), (0.25, 0.2)], 0.003)
    solid(pear)
    p.paint(pear, "c3b83f")
    p.multiply(p.glow(0.45, 0.72, 0.17, 0.3) * pear, "6d6a1c", 0.85)
    p.paint(p.glow(0.38, 0.55, 0.09, 0.17) * pear, "d1853a", 0.55)
    p.lighten(p.glow(0.2, 0.55, 0.08, 0.16) * pear, "fff3a0", 0.6)
    p.lighten(p.glow(0.275, 0.29, 0.03, 0.07) * pear, "fff7c0", 0.55)
    p.strokes(pear, lambda x, y: np.pi / 2 + 1.8 * (x - 0.3) * (0.6 - y) * 4, 1500, 0.045, 0.008, jitter=6, within=True)
    r = np.random.default_rng(3)
    for _ in range(160):
        x, y = r.uniform(0.1, 0.5), r.uniform(0.25, 0.83)
        p.paint(p.ellipse(x, y, 0.0025, 0.0025) * pear, "7d6a22", 0.55)
    p.lighten(p.glow(0.18, 0.55, 0.022, 0.05) * pear, "ffffff", 0.7)
    stem = p.line([(0.3, 0.185), (0.295, 0.13), (0.325, 0.07)], 0.022, 0.002)
    solid(stem)
    p.paint(stem, "5d4024")
    p.lighten(p.line([(0.295, 0.17), (0.29, 0.13), (0.318, 0.08)], 0.006, 0.003), "d7a878", 0.6)

    apple = p.blob([(0.62, 0.42), (0.7, 0.385), (0.8, 0.4), (0.88, 0.48), (0.905, 0.6), (0.87, 0.74), (0.78, 0.835), (0.7, 0.835), (0.64, 0.845), (0.56, 0.835), (0.46, 0.76), (0.42, 0.63), (0.44, 0.5), (0.52, 0.4)], 0.003)
    p.multiply(np.roll(apple, (6, -14), (0, 1)) * pear, "5a4a1c", 0.6)
    solid(apple)
    p.paint(apple, "c22a2b")
    p.paint(p.glow(0.58, 0.52, 0.14, 0.16) * apple, "e0523a", 0.8)
    p.paint(p.glow(0.655, 0.43, 0.13, 0.05) * apple, "d8b04a", 0.85)
    p.multiply(p.glow(0.86, 0.76, 0.2, 0.26) * apple, "5e1220", 0.9)
    p.multiply(p.glow(0.66, 0.86, 0.24, 0.06) * apple, "5a1018", 0.8)
    p.strokes(apple, lambda x, y: np.pi / 2 + 2.4 * (x - 0.66) * (0.62 - y) * 3, 2000, 0.05, 0.007, jitter=7, opacity=0.7, tint="e8804a", within=True)
    p.multiply(p.glow(0.655, 0.425, 0.045, 0.018) * apple, "4a2a12", 0.85)
    p.lighten(p.ellipse(0.535, 0.53, 0.03, 0.055, 20, soft=0.02) * apple, "ffffff", 0.75)
    p.lighten(p.glow(0.875, 0.63, 0.015, 0.08) * apple, "ff9a90", 0.5)
    stem = p.line([(0.655, 0.43), (0.66, 0.37), (0.685, 0.315)], 0.018, 0.002)
    solid(stem)
    p.paint(stem, "523620")
    leaf = p.blob([(0.67, 0.365), (0.7, 0.3), (0.775, 0.265), (0.86, 0.275), (0.815, 0.335), (0.745, 0.365)], 0.002)
    solid(leaf)
    p.fade("9cc04a", "3f7a34", leaf)
    p.paint(p.line([(0.675, 0.362), (0.75, 0.315), (0.845, 0.28)], 0.006, 0.002) * leaf, "d7e59a", 0.8)
    p.strokes(leaf, -0.5, 260, 0.03, 0.006, jitter=9, opacity=0.6, within=True)

    for cx, cy in ((0.335, 0.8), (0.43, 0.83), (0.385, 0.735)):
        grape = p.ellipse(cx, cy, 0.062, 0.06)
        p.multiply(p.ellipse(cx + 0.012, cy + 0.012, 0.07, 0.068, soft=0.03) * alpha, "38261f", 0.5)
        solid(grape)
        p.paint(grape, "53346f")
        p.multiply(p.glow(cx + 0.04, cy + 0.04, 0.05, 0.05) * grape, "1c0f2c", 0.85)
        p.lighten(p.glow(cx - 0.015, cy - 0.015, 0.035, 0.035) * grape, "b48fd8", 0.55)
        p.lighten(p.ellipse(cx - 0.022, cy - 0.024, 0.012, 0.009, -30, soft=0.008), "ffffff", 0.85)
        p.lighten(p.glow(cx + 0.025, cy + 0.04, 0.02, 0.01) * grape, "d0a0ff", 0.4)
    return p.finished(np.clip(alpha, 0, 1))


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "demo")
    folder.mkdir(parents=True, exist_ok=True)
    cat().save(folder / "cat.webp", quality=92, method=6)
    dog().save(folder / "dog.jpg", quality=92, optimize=True, subsampling=0)
    portrait().save(folder / "portrait.png", optimize=True)
    landscape().save(folder / "landscape.jpg", quality=92, optimize=True, subsampling=0)
    fruit().save(folder / "fruit.png", optimize=True)


if __name__ == "__main__":
    main()
