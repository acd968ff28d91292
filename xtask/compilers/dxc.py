"""Microsoft's DirectXShaderCompiler on a JSON list of [name, HLSL] from standard input, with the
arguments of wgpu. Prints the errors as a JSON list of [name, message].

The library is called as the header dxcapi.h of the same package says."""

import ctypes
import json
import pathlib
import sys
import uuid
from importlib.util import find_spec

COMPILER = uuid.UUID("73e22d93-e6ce-47f3-b5bf-f0664f39c1b0").bytes_le
ICOMPILER3 = uuid.UUID("228b4687-5a6a-4730-900c-9702b2203f54").bytes_le
IRESULT = uuid.UUID("58346cda-dde7-4497-9461-6f87af5e0659").bytes_le
ARGUMENTS = ["-E", "main", "-T", "cs_6_0", "-HV", "2018", "-no-warnings", "-Ges"]
UTF8 = 65001


class Buffer(ctypes.Structure):
    _fields_ = [("ptr", ctypes.c_char_p), ("size", ctypes.c_size_t), ("encoding", ctypes.c_uint)]


def method(this, index, result, *types):
    """A function of an object's table, bound to it."""
    table = ctypes.cast(this, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
    function = ctypes.CFUNCTYPE(result, ctypes.c_void_p, *types)(table[index])
    return lambda *arguments: function(this, *arguments)


def checked(status):
    if status < 0:
        raise OSError(f"DXC answers {status & 0xFFFFFFFF:#x}")


def output(result, index, release):
    """The text or bytes that `GetResult` (4) or `GetErrorBuffer` (5) of a result gives."""
    blob = ctypes.c_void_p()
    checked(method(result, index, ctypes.c_int, ctypes.c_void_p)(ctypes.byref(blob)))
    if not blob:
        return b""
    pointer, size = method(blob, 3, ctypes.c_void_p)(), method(blob, 4, ctypes.c_size_t)()
    data = ctypes.string_at(pointer, size) if pointer else b""
    release(blob)
    return data


def main():
    folder = pathlib.Path(find_spec("compushady").submodule_search_locations[0])
    library = ctypes.CDLL(str(next(folder.glob("backends/libdxcompiler*.so"))))
    create, compiler = library.DxcCreateInstance, ctypes.c_void_p()
    create.restype = ctypes.c_int
    checked(create(COMPILER, ICOMPILER3, ctypes.byref(compiler)))
    types = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    compile_ = method(compiler, 3, ctypes.c_int, *types)
    arguments = (ctypes.c_wchar_p * len(ARGUMENTS))(*ARGUMENTS)

    def release(this):
        method(this, 2, ctypes.c_uint)()

    errors = []
    for name, text in json.load(sys.stdin):
        source = text.encode()
        buffer = Buffer(source, len(source), UTF8)
        result, status = ctypes.c_void_p(), ctypes.c_int()
        checked(compile_(ctypes.byref(buffer), arguments, len(ARGUMENTS), None, IRESULT, ctypes.byref(result)))
        checked(method(result, 3, ctypes.c_int, ctypes.c_void_p)(ctypes.byref(status)))
        if status.value < 0:
            errors.append([name, output(result, 5, release).decode(errors="replace").rstrip("\0\n")])
        elif not output(result, 4, release):
            errors.append([name, "DXC gives no code"])
        release(result)
    print(json.dumps(errors))


main()
