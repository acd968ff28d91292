// The light generator in operations of TensorFlow.js, pictures as [1, height, width, channels].

import * as tf from "@tensorflow/tfjs-core";

const EPSILON = 1e-5;

/**
 * `manifest` says where in `numbers` each weight lies, in TensorFlow's layouts: [name, shape, start].
 * `pooled`: means of planes by pooling, which is faster on WebAssembly and slower on WebGPU.
 */
export function generator(manifest, numbers, pooled) {
  const weights = new Map();
  for (const [name, shape, start] of manifest) {
    const size = shape.reduce((a, b) => a * b, 1);
    weights.set(name, tf.tensor(numbers.subarray(start, start + size), shape));
  }
  const channels = (name) => tf.reshape(weights.get(name), [1, 1, 1, -1]);
  const reflect = (x, pad) => {
    const sides = [pad, pad];
    return tf.mirrorPad(x, [[0, 0], sides, sides, [0, 0]], "reflect");
  };
  const conv = (x, name, pad, stride = 1) =>
    tf.conv2d(reflect(x, pad), weights.get(`${name}.weight`), stride, "valid");
  const linear = (x, name) => tf.matMul(x, weights.get(`${name}.weight`));
  const plane = (x) =>
    pooled ? tf.avgPool(x, [x.shape[1], x.shape[2]], 1, "valid") : tf.mean(x, [1, 2], true);

  const instanceNorm = (x) => {
    const centred = tf.sub(x, plane(x));
    return tf.mul(centred, tf.rsqrt(tf.add(plane(tf.square(centred)), EPSILON)));
  };
  // The norms of each channel and of all, mixed by rho, as one scale and one shift for each channel.
  const layerInstanceNorm = (x, name, gamma, beta) => {
    const rho = channels(`${name}.rho`);
    const [, height, width, count] = x.shape;
    const pixels = height * width;
    const elements = pixels * count;
    const mean = plane(x);
    const variance = plane(tf.square(tf.sub(x, mean)));
    const layerMean = tf.mean(mean, 3, true);
    const spread = tf.squaredDifference(mean, layerMean);
    const layerVariance = tf.mean(tf.add(variance, spread), 3, true);
    const inverse = (variance, n) => tf.rsqrt(tf.add(tf.mul(variance, n / (n - 1)), EPSILON));
    const own = tf.mul(rho, inverse(variance, pixels));
    const shared = tf.mul(tf.sub(1, rho), inverse(layerVariance, elements));
    const means = tf.add(tf.mul(own, mean), tf.mul(shared, layerMean));
    const scale = tf.mul(tf.add(own, shared), gamma);
    return tf.add(tf.mul(x, scale), tf.sub(beta, tf.mul(means, gamma)));
  };

  return (x) => {
    for (const [name, pad, stride] of [
      ["1", 3, 1],
      ["5", 1, 2],
      ["9", 1, 2],
    ]) {
      x = tf.relu(instanceNorm(conv(x, `DownBlock.${name}`, pad, stride)));
    }
    for (const block of [12, 13, 14, 15]) {
      const name = `DownBlock.${block}.conv_block`;
      const inner = tf.relu(instanceNorm(conv(x, `${name}.1`, 1)));
      x = tf.add(x, instanceNorm(conv(inner, `${name}.5`, 1)));
    }
    const seen = ["gap_fc.weight", "gmp_fc.weight"].map((name) => tf.mul(x, channels(name)));
    x = tf.conv2d(tf.concat(seen, 3), weights.get("conv1x1.weight"), 1, "valid");
    x = tf.relu(tf.add(x, channels("conv1x1.bias")));
    let features = tf.reshape(plane(x), [1, -1]);
    for (const name of ["FC.0", "FC.2"]) features = tf.relu(linear(features, name));
    const [gamma, beta] = ["gamma", "beta"].map((name) =>
      tf.reshape(linear(features, name), [1, 1, 1, -1]),
    );
    for (const block of [1, 2, 3, 4]) {
      const name = `UpBlock1_${block}`;
      let inner = conv(x, `${name}.conv1`, 1);
      inner = tf.relu(layerInstanceNorm(inner, `${name}.norm1`, gamma, beta));
      inner = conv(inner, `${name}.conv2`, 1);
      x = tf.add(x, layerInstanceNorm(inner, `${name}.norm2`, gamma, beta));
    }
    for (const [name, norm] of [
      ["UpBlock2.2", "UpBlock2.3"],
      ["UpBlock2.7", "UpBlock2.8"],
    ]) {
      const size = [2 * x.shape[1], 2 * x.shape[2]];
      x = conv(tf.image.resizeNearestNeighbor(x, size, false, true), name, 1);
      const [scale, shift] = [channels(`${norm}.gamma`), channels(`${norm}.beta`)];
      x = tf.relu(layerInstanceNorm(x, norm, scale, shift));
    }
    return tf.tanh(conv(x, "UpBlock2.11", 3));
  };
}
