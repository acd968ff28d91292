#!/usr/bin/env python3
"""ONNX Runtime on the processor, to be timed in turn with `cargo xtask bench --cpu`, which starts it.

    onnxruntime_translate.py MODEL.onnx SIZE RUNS WARM_UP

reads one picture (1x3xSIZExSIZE, 32-bit floats) from its input, then a word a line: `run` is answered with the
milliseconds of RUNS translations after WARM_UP milliseconds of others, `picture` with the translation.

Its settings are those that it takes by itself, which are its fastest: a thread for each core, which wait busily for the
next operation (docs/benchmarks.md).

    pip install onnxruntime numpy
"""

import sys
import time

import numpy as np
import onnxruntime


def main() -> None:
    path, size, runs, warm_up = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    shape = (1, 3, size, size)
    name = session.get_inputs()[0].name
    data = sys.stdin.buffer.read(4 * int(np.prod(shape)))
    picture = np.frombuffer(data, np.float32).reshape(shape)
    for word in sys.stdin.buffer:
        if word.strip() == b"run":
            times = []
            turn = time.perf_counter()
            while (time.perf_counter() - turn) * 1e3 < warm_up:
                session.run(None, {name: picture})
            for _ in range(runs):
                started = time.perf_counter()
                session.run(None, {name: picture})
                times.append((time.perf_counter() - started) * 1e3)
            print(*times, flush=True)
        else:
            print(*session.run(None, {name: picture})[0].ravel(), flush=True)


if __name__ == "__main__":
    main()
