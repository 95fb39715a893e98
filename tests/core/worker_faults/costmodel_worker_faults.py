"""Tasks that go wrong in every way a compiler or a candidate can; run only inside workers."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np


def add(a, b):
    return a + b


def pid():
    return os.getpid()


def double(array):
    array *= 2
    return array


def nothing():
    return None


def spin_python():
    while True:
        pass


def spin_native():
    """Hold the interpreter lock in C for far longer than any test."""
    return pow(7, 10**9)


def pause_native():
    """Wait in C with the interpreter lock held."""
    while True:
        ctypes.PyDLL(None).pause()


def segfault():
    ctypes.string_at(0)


def abort():
    os.write(2, b"LLVM ERROR: cannot select\n")
    os.abort()


def abort_without_memory():
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def leave(status):
    os._exit(status)


def allocate_python():
    blocks = []
    while True:
        blocks.append(bytearray(16 << 20))


def allocate_native():
    """What a C++ program does: abort when the allocator gives nothing."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while True:
        block = libc.malloc(ctypes.c_size_t(16 << 20))
        if not block:
            libc.abort()
        ctypes.memset(block, 1, 16 << 20)


def native_stack_overflow():
    """Recurse in C: qsort's comparison sorts again, and so on."""
    sys.setrecursionlimit(10**9)
    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    libc = ctypes.CDLL(None)
    data = (ctypes.c_int * 2)(2, 1)

    def compare(_a, _b):
        libc.qsort(data, ctypes.c_size_t(2), ctypes.c_size_t(4), callback)
        return 0

    callback = compare_type(compare)
    libc.qsort(data, ctypes.c_size_t(2), ctypes.c_size_t(4), callback)


def print_much(descriptor, size):
    if descriptor == 0:
        print("x" * size)
    else:
        data = b"y" * size
        while data:
            data = data[os.write(descriptor, data) :]
    return size


def warn(text):
    os.write(2, text.encode())
    raise ValueError("after a warning")


class UnpicklableError(Exception):
    def __init__(self):
        super().__init__(lambda: 0, threading.Lock())


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Explosive:
    """Pickles well and explodes when it is read back."""

    def __reduce__(self):
        return (exec, ("raise RuntimeError('read back')",))


def raise_named(name):
    raise {
        "unpicklable": UnpicklableError,
        "unprintable": UnprintableError,
        "exit": SystemExit,
        "interrupt": KeyboardInterrupt,
        "lines": lambda: ValueError("one\n two\n"),
        "value": lambda: ValueError("seven is not even"),
    }[name]()


def recurse():
    return recurse()


def return_unpicklable():
    return lambda: 0


def return_explosive():
    return Explosive()


def close_everything():
    """What a careless daemon does: close all descriptors, then go on."""
    os.closerange(0, 256)
    time.sleep(60)


def start_grandchild_and_spin(path):
    """Leave a process of the same group behind."""
    process = subprocess.Popen(["sleep", "600"])
    with open(path + ".part", "w") as file:
        file.write(f"{os.getpid()} {process.pid}")
    os.rename(path + ".part", path)
    spin_python()


def start_grandchild_and_crash(path):
    process = subprocess.Popen(["sleep", "600"])
    with open(path, "w") as file:
        file.write(str(process.pid))
    segfault()


def fork_holding_the_channel_and_crash():
    """The fork keeps the worker's descriptors open, so no end of file tells that the worker died."""
    if os.fork() == 0:
        time.sleep(600)
    segfault()


def preloaded(name):
    return name in sys.modules


def affinity():
    return sorted(os.sched_getaffinity(0))


def variable(name):
    return os.environ.get(name)


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def make_array(megabytes):
    return np.ones(megabytes << 17, dtype=np.float64)


def sum_of(array):
    return float(array.sum())


def session_is_own():
    return os.getsid(0) == os.getpid() == os.getpgid(0)
