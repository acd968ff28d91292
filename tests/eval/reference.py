"""Writes the numbers that tests/eval.rs compares with: python reference.py (in its folder).

Needs numpy, scikit-image and safetensors. PSNR and SSIM are scikit-image's own; KID is its
formula in numpy, on subsets drawn as the Rust code draws them.
"""

import json

import numpy as np
import skimage
from safetensors.numpy import save_file
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

MASK = (1 << 64) - 1


def pictures(width, height, channels, strength):
    """Two pictures by a formula that the test knows too."""
    y, x, c = np.mgrid[:height, :width, :channels]
    a = (x * 7 + y * 5 * (c + 1) + (x * y) % 13 * 9) % 256
    b = np.clip(a + ((x * 31 + y * 17 + c * 11 + x * x * y) % 41 - 20) * strength, 0, 255)
    return a.astype(np.uint8), b.astype(np.uint8)


def compared(width, height, channels, strength):
    a, b = pictures(width, height, channels, strength)
    ssim = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2
    )
    return {
        "width": width, "height": height, "channels": channels, "strength": strength,
        "psnr": float(peak_signal_noise_ratio(a, b, data_range=255)), "ssim": float(ssim),
        "l1_255": float(np.abs(a.astype(float) - b.astype(float)).mean()),
    }


class Random:
    """SplitMix64, and the beginning of a Fisher-Yates shuffle."""

    def __init__(self, seed):
        self.state = seed

    def bits(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def rows(self, matrix, size):
        order = list(range(len(matrix)))
        for i in range(size):
            j = i + (self.bits() * (len(order) - i) >> 64)
            order[i], order[j] = order[j], order[i]
        return matrix[order[:size]]


def mmd2(x, y):
    """The unbiased estimate of Binkowski et al. 2018 (mbinkowski/MMD-GAN, mmd_est='unbiased')."""
    kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3
    m = len(x)
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within - 2 * xy.sum() / (m * m)


def kid(generated, real, subsets, subset_size, seed):
    random = Random(seed)
    size = min(subset_size, len(generated), len(real))
    drawn = []
    for _ in range(subsets):
        x = random.rows(generated, size)
        drawn.append(mmd2(x, random.rows(real, size)))
    return {
        "subsets": subsets, "subset_size": subset_size, "seed": seed,
        "mean": float(np.mean(drawn)), "std": float(np.std(drawn)),
    }


rng = np.random.default_rng(20190730)
real = np.abs(rng.normal(size=(30, 12))).astype(np.float32)
generated = np.abs(rng.normal(0.2, 1.1, size=(24, 12)))
np.save("real.npy", real)
np.save("generated.npy", generated)
save_file({"features": real}, "real.safetensors")
fixture = {
    "scikit-image": skimage.__version__,
    "numpy": np.__version__,
    "pictures": [
        compared(64, 48, 3, 1), compared(64, 48, 3, 4), compared(11, 11, 3, 2), compared(37, 12, 1, 1),
        compared(40, 33, 3, 0.05),
    ],
    "kid": [
        kid(generated, real.astype(np.float64), subsets, size, seed)
        for subsets, size, seed in [(100, 1000, 0), (50, 10, 0), (7, 16, 123456789), (3, 2, 5)]
    ],
    "kid_same_size": kid(generated, real[:24].astype(np.float64), 1, 24, 0),
}
with open("reference.json", "w") as out:
    json.dump(fixture, out, indent=1)
    out.write("\n")
