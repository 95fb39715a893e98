"""Targets: names, this machine, and machines that are described by files."""

from __future__ import annotations

import platform

import pytest

from costmodel.core.errors import CostModelError, UnknownNameError
from costmodel.core.target import Target, target_names
from costmodel.core.target_host import read_host
from costmodel.core.target_table import FIGURES


def make_machine(root, cpuinfo, caches=(), sve_bytes=None):
    (root / "proc/sys/abi").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(cpuinfo)
    if sve_bytes is not None:
        (root / "proc/sys/abi/sve_default_vector_length").write_text(f"{sve_bytes}\n")
    for index, (level, kind, size) in enumerate(caches):
        folder = root / f"sys/devices/system/cpu/cpu0/cache/index{index}"
        folder.mkdir(parents=True)
        for name, value in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{value}\n")
    return {"proc": root / "proc", "sys": root / "sys"}


def x86(flags, cores=2, model="Some CPU @ 2GHz", model_number=1):
    return "\n".join(
        f"processor\t: {core}\nmodel\t\t: {model_number}\nmodel name\t: {model}\ncpu MHz\t: {1000 + core}\n"
        f"physical id\t: 0\ncore id\t\t: {core // 2}\nflags\t\t: {flags}\n"
        for core in range(cores)
    )


CACHES = [(1, "Data", "48K"), (1, "Instruction", "64K"), (2, "Unified", "2048K"), (3, "Unified", "32M")]


class TestNames:
    @pytest.mark.parametrize("name", sorted(FIGURES))
    def test_every_name_resolves_to_itself_and_is_plausible(self, name):
        target = Target.parse(name)
        assert target.name == name
        assert target.device is None
        assert not target.is_native
        assert target.vector_bits in (64, 128, 256, 512)
        assert 8 <= target.l1d_bytes / 1024 <= 1024
        assert target.l1d_bytes < target.l2_bytes
        assert target.cores >= 1
        assert (target.llvm_features() == "") == (target.llvm_cpu == target.cpu)
        assert min(target.core) >= 1
        assert target.triple.split("-")[0].replace("_", "-") == target.arch
        assert target.is_gpu == (target.arch in ("nvptx64", "amdgcn"))

    def test_the_names_of_the_design_are_there(self):
        wanted = {
            "native",
            "x86-64/znver4",
            "aarch64/neoverse-v2",
            "riscv64/sifive-p670",
            "nvptx64/sm_90",
            "amdgcn/gfx942",
        }
        assert wanted <= set(target_names())

    @pytest.mark.parametrize("name", ["x86-64/zen4", "", "x86-64", "x86-64/znver4/", "Native", "a/b"])
    def test_an_unknown_name_lists_the_choices(self, name):
        with pytest.raises(UnknownNameError) as caught:
            Target.parse(name)
        assert isinstance(caught.value, CostModelError)
        assert "aarch64/neoverse-v2" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_slip_gets_a_suggestion(self):
        with pytest.raises(UnknownNameError, match="did you mean 'x86-64/znver4'"):
            Target.parse("x86-64/zen4")

    def test_lanes(self):
        target = Target.parse("x86-64/znver4")
        assert (target.lanes(32), target.lanes(64), target.lanes(8)) == (16, 8, 64)


class TestNative:
    def test_this_machine(self):
        target = Target.parse("native")
        assert target.is_native
        assert target.device
        assert target.arch == {"x86_64": "x86-64"}.get(platform.machine(), platform.machine())
        assert Target.parse("native") == target
        assert "+" in target.llvm_features()
        assert Target.parse(target.name).name == target.name


class TestHost:
    @pytest.mark.parametrize(
        ("flags", "expected"),
        [
            ("sse2 avx avx2 fma avx512f avx512vl", (512, 32)),
            ("sse2 avx avx2 fma", (256, 16)),
            ("sse2 avx", (256, 16)),
            ("sse2 sse4_2", (128, 16)),
        ],
    )
    def test_vectors_come_from_features_not_from_the_model(self, tmp_path, flags, expected):
        for number in (1, 167):
            root = tmp_path / str(number)
            host = read_host(**make_machine(root, x86(flags, model_number=number)), machine="x86_64")
            assert (host.vector_bits, host.vector_registers) == expected

    def test_caches_and_physical_cores(self, tmp_path):
        host = read_host(**make_machine(tmp_path, x86("avx2", cores=4), CACHES), machine="x86_64")
        assert (host.l1d_bytes, host.l2_bytes, host.l3_bytes) == (48 << 10, 2 << 20, 32 << 20)
        assert host.cores == 2

    def test_device_follows_what_code_depends_on_and_nothing_else(self, tmp_path):
        machines = {
            "base": (x86("sse2 avx2 ibrs"), CACHES),
            "same": (x86("ibpb smep avx2 sse2", cores=8), CACHES),
            "features": (x86("sse2 avx2 avx512f"), CACHES),
            "caches": (x86("sse2 avx2"), CACHES[:3]),
            "model": (x86("sse2 avx2", model="Other"), CACHES),
        }
        devices = {
            name: read_host(**make_machine(tmp_path / name, *described), machine="x86_64").device
            for name, described in machines.items()
        }
        assert devices["base"] == devices["same"]
        assert devices["base"].startswith("Some CPU @ 2GHz #")
        assert len(set(devices.values())) == 4

    def test_aarch64(self, tmp_path):
        cpuinfo = (
            "processor\t: 0\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n\nprocessor\t: 1\n"
        )
        host = read_host(**make_machine(tmp_path, cpuinfo, sve_bytes=32), machine="aarch64")
        assert (host.arch, host.vector_bits, host.vector_registers, host.cores) == ("aarch64", 256, 32, 2)
        assert "0xd4f" in host.model_name

    def test_riscv(self, tmp_path):
        cpuinfo = "processor\t: 0\nisa\t\t: rv64imafdcv_zicsr_zvl256b\nuarch\t\t: spacemit,x60\n"
        host = read_host(**make_machine(tmp_path, cpuinfo), machine="riscv64")
        assert (host.arch, host.vector_bits, host.model_name) == ("riscv64", 256, "spacemit,x60")

    def test_a_machine_that_tells_nothing_gets_modest_figures(self, tmp_path):
        host = read_host(proc=tmp_path, sys=tmp_path, machine="x86_64")
        assert (host.vector_bits, host.l1d_bytes, host.l3_bytes, host.cores) == (128, 32 << 10, 0, 1)
        assert host.device
