#!/usr/bin/env python3
"""ONNX Runtime on the processor, to be timed in turn with `cargo xtask bench --cpu`, which starts it.

    onnxruntime_translate.py MODEL.onnx SIZE RUNS

reads one picture (1x3xSIZExSIZE, 32-bit floats) from its input, then a word a line: `run` is answered with the
milliseconds of RUNS translations after one that is not counted, `picture` with the translation.

    pip install onnxruntime numpy
"""

import sys
import time

import numpy as np
import onnxruntime


def main() -> None:
    path, size, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    shape = (1, 3, size, size)
    name = session.get_inputs()[0].name
    data = sys.stdin.buffer.read(4 * int(np.prod(shape)))
    picture = np.frombuffer(data, np.float32).reshape(shape)
    for word in sys.stdin.buffer:
        if word.strip() == b"run":
            times = []
            for _ in range(runs + 1):
                started = time.perf_counter()
                session.run(None, {name: picture})
                times.append((time.perf_counter() - started) * 1e3)
            print(*times[1:], flush=True)
        else:
            print(*session.run(None, {name: picture})[0].ravel(), flush=True)


if __name__ == "__main__":
    main()
