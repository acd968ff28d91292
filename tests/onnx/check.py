"""Runs exported models in ONNX Runtime and in tract, and compares what comes out of each.

    check.py CASES.json

CASES.json is a list of {"name", "model", "input", "outputs": {name: [file.npy, tolerance]}},
files relative to it. A tolerance is the largest difference allowed, over the largest absolute
value expected. Prints a line for each tensor compared; fails if one is off, or none was there.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import tract


def session(path):
    """The model in ONNX Runtime, after ONNX's own checks and shape inference."""
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    assert model.ir_version == 8, model.ir_version
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)], model.opset_import
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 2  # Warnings, such as an output of another shape than declared.
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def in_tract(path, image):
    """What tract, which wants to know the size beforehand, makes of a picture."""
    model = tract.onnx().load(str(path))
    model.set_input_fact(0, ",".join([*map(str, image.shape), "f32"]))
    return [output.to_numpy() for output in model.into_model().into_runnable().run([image])]


def main(cases_file):
    folder = pathlib.Path(cases_file).parent
    cases = json.loads(pathlib.Path(cases_file).read_text())
    sessions, compared, failures = {}, 0, []
    for case in cases:
        path = folder / case["model"]
        if path not in sessions:
            sessions[path] = session(path)
        model = sessions[path]
        names = [output.name for output in model.get_outputs()]
        assert [i.name for i in model.get_inputs()] == ["image"], model.get_inputs()
        expected = [name for name in ("translated", "attention", "cam_logit") if name in case["outputs"]]
        assert names == expected and len(expected) == len(case["outputs"]), names
        image = np.load(folder / case["input"])
        runtimes = {"onnxruntime": model.run(names, {"image": image}), "tract": in_tract(path, image)}
        for runtime, results in runtimes.items():
            results = dict(zip(names, results, strict=True))
            for name, (file, tolerance) in case["outputs"].items():
                found, expected = results[name], np.load(folder / file)
                place = f"{case['name']} {name} {list(expected.shape)} in {runtime}"
                compared += 1
                if found.shape != expected.shape or found.dtype != np.float32:
                    failures.append(f"{place}: is {list(found.shape)} of {found.dtype}")
                    continue
                error = np.abs(found.astype(np.float64) - expected).max() / np.abs(expected).max()
                print(f"{error:.1e} of {tolerance:.1e}: {place}")
                if not error <= tolerance:
                    failures.append(f"{place}: off by {error:.2e}, allowed is {tolerance:.2e}")
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures or not compared:
        sys.exit(f"{len(failures)} of {compared} tensors are wrong")
    print(f"{compared} tensors compared by onnxruntime {onnxruntime.__version__} and tract {tract.version()}")


if __name__ == "__main__":
    main(sys.argv[1])
