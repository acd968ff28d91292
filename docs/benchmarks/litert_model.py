#!/usr/bin/env python3
"""A light generator as a LiteRT model, for `cargo xtask bench --web`, which starts this.

    litert_model.py FOLDER NAME SIZE

reads the weights FOLDER/NAME.json and FOLDER/NAME.f32, which that command writes in TensorFlow's layouts, and writes
FOLDER/NAME.tflite, in 32-bit floats. It is the model with which LiteRT.js is fastest: pictures are reflected at their
border by slices and concatenation, because MIRROR_PAD makes it 1.4 to 1.7 times slower, and each norm is one scale and one
shift for each channel.

    pip install tensorflow
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

EPSILON = 1e-5


def reflect(x, pad):
    """The picture with `pad` more pixels on each side."""
    for axis in (1, 2):
        size = x.shape[axis]
        line = lambda i: x[:, i : i + 1] if axis == 1 else x[:, :, i : i + 1]
        before = [line(i) for i in range(pad, 0, -1)]
        after = [line(size - 1 - i) for i in range(1, pad + 1)]
        x = tf.concat([*before, x, *after], axis)
    return x


class Light(tf.Module):
    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def channels(self, name):
        return self.weights[name].reshape(1, 1, 1, -1)

    def conv(self, x, name, pad, stride=1):
        return tf.nn.conv2d(reflect(x, pad), self.weights[name + ".weight"], stride, "VALID")

    def linear(self, x, name):
        return tf.matmul(x, self.weights[name + ".weight"])

    def instance_norm(self, x):
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + EPSILON)

    def layer_instance_norm(self, x, name, gamma, beta):
        """The two norms, of each channel and of all, mixed by rho, with the variances of n - 1."""
        rho = self.channels(name + ".rho")
        pixels = x.shape[1] * x.shape[2]
        elements = pixels * x.shape[3]
        mean = tf.reduce_mean(x, [1, 2], keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), [1, 2], keepdims=True)
        layer_mean = tf.reduce_mean(mean, 3, keepdims=True)
        spread = tf.math.squared_difference(mean, layer_mean)
        layer_variance = tf.reduce_mean(variance + spread, 3, keepdims=True)
        own = rho * tf.math.rsqrt(variance * (pixels / (pixels - 1)) + EPSILON)
        shared = (1 - rho) * tf.math.rsqrt(layer_variance * (elements / (elements - 1)) + EPSILON)
        return x * ((own + shared) * gamma) + (beta - (own * mean + shared * layer_mean) * gamma)

    @tf.function
    def __call__(self, x):
        for name, pad, stride in (("1", 3, 1), ("5", 1, 2), ("9", 1, 2)):
            x = tf.nn.relu(self.instance_norm(self.conv(x, "DownBlock." + name, pad, stride)))
        for block in range(12, 16):
            name = f"DownBlock.{block}.conv_block."
            inner = tf.nn.relu(self.instance_norm(self.conv(x, name + "1", 1)))
            x = x + self.instance_norm(self.conv(inner, name + "5", 1))
        seen = tf.concat([x * self.channels("gap_fc.weight"), x * self.channels("gmp_fc.weight")], 3)
        seen = tf.nn.conv2d(seen, self.weights["conv1x1.weight"], 1, "VALID")
        x = tf.nn.relu(seen + self.channels("conv1x1.bias"))
        features = tf.reshape(tf.reduce_mean(x, [1, 2]), [1, -1])
        for name in ("FC.0", "FC.2"):
            features = tf.nn.relu(self.linear(features, name))
        gamma, beta = (tf.reshape(self.linear(features, n), [1, 1, 1, -1]) for n in ("gamma", "beta"))
        for block in range(1, 5):
            name = f"UpBlock1_{block}."
            inner = self.conv(x, name + "conv1", 1)
            inner = tf.nn.relu(self.layer_instance_norm(inner, name + "norm1", gamma, beta))
            x = x + self.layer_instance_norm(self.conv(inner, name + "conv2", 1), name + "norm2", gamma, beta)
        for conv, norm in (("UpBlock2.2", "UpBlock2.3"), ("UpBlock2.7", "UpBlock2.8")):
            size = [2 * x.shape[1], 2 * x.shape[2]]
            x = tf.raw_ops.ResizeNearestNeighbor(images=x, size=size, half_pixel_centers=True)
            scale, shift = self.channels(norm + ".gamma"), self.channels(norm + ".beta")
            x = tf.nn.relu(self.layer_instance_norm(self.conv(x, conv, 1), norm, scale, shift))
        return tf.tanh(self.conv(x, "UpBlock2.11", 3))


def main() -> None:
    folder, name, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    path = os.path.join(folder, name)
    flat = np.fromfile(path + ".f32", "<f4")
    with open(path + ".json") as file:
        manifest = json.load(file)
    weights = {key: flat[at : at + int(np.prod(shape))].reshape(shape) for key, shape, at in manifest}
    network = Light(weights)
    picture = tf.TensorSpec([1, size, size, 3], tf.float32, name="image")
    function = network.__call__.get_concrete_function(picture)
    model = tf.lite.TFLiteConverter.from_concrete_functions([function], network).convert()
    with open(path + ".tflite", "wb") as file:
        file.write(model)


if __name__ == "__main__":
    main()
