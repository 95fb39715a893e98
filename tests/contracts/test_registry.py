"""Every registry in the tree: whatever it names can be had. A new entry is tested by being there."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import costmodel
from costmodel.cli.findings import PROBES
from costmodel.core.errors import MissingDependencyError, UnknownNameError, UsageError
from costmodel.core.registry import Registry

OPTIONAL = {"onnx", "onnxruntime", "torch", "torch_mlir", "torch_geometric", "tvm", "triton"}


def registries() -> dict[str, Registry[object]]:
    """Registries by the first place where a module-level name holds them."""
    found: dict[int, tuple[str, Registry[object]]] = {}
    for module in modules(costmodel):
        for name, value in vars(module).items():
            if isinstance(value, Registry):
                found.setdefault(id(value), (f"{module.__name__}:{name}", value))
    return dict(found.values())


def modules(package) -> Iterator[object]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        try:
            module = importlib.import_module(info.name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in OPTIONAL:
                raise
            continue
        except MissingDependencyError:  # an integration, which is of no use without its compiler
            assert info.name.startswith("costmodel.integrations.")
            continue
        yield module
        if info.ispkg:
            yield from modules(module)


REGISTRIES = registries()
ENTRIES = [(place, name) for place, registry in REGISTRIES.items() for name in registry]


@pytest.mark.parametrize(("place", "name"), ENTRIES, ids=[f"{place}-{name}" for place, name in ENTRIES])
def test_entry_resolves(place: str, name: str) -> None:
    try:
        assert REGISTRIES[place].get(name) is not None
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        assert package in OPTIONAL
        pytest.skip(f"{place} {name} needs the optional package {package}")


@pytest.mark.parametrize("place", REGISTRIES, ids=list(REGISTRIES))
def test_registry_says_what_it_holds(place: str) -> None:
    registry = REGISTRIES[place]
    assert len(registry) == len(list(registry)) > 0
    assert all(name in registry for name in registry)
    with pytest.raises(UnknownNameError) as refused:
        registry.get("no such name")
    assert registry.kind in str(refused.value)
    assert all(name in str(refused.value) for name in registry)


@pytest.mark.parametrize("place", REGISTRIES, ids=list(REGISTRIES))
def test_registry_refuses_a_taken_name(place: str) -> None:
    registry = REGISTRIES[place]
    with pytest.raises(UsageError, match="registered already"):
        registry.register(next(iter(registry)), "costmodel:__version__")


def test_names_of_one_kind_are_in_one_registry() -> None:
    kinds = [registry.kind for registry in REGISTRIES.values()]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("kind", ["reader", "backend"])
def test_the_doctor_probes_every_reader_and_backend(kind: str) -> None:
    registered = {name for registry in REGISTRIES.values() if registry.kind == kind for name in registry}
    assert registered <= {probe.name for probe in PROBES if probe.group == kind}


def test_registering_adds_one_name_and_suggests_it() -> None:
    registry: Registry[object] = Registry("fruit", {"apple": "costmodel:__version__"})
    registry.register("orange", "costmodel.core.registry:Registry")
    assert list(registry) == ["apple", "orange"]
    assert registry.get("orange") is Registry
    with pytest.raises(UnknownNameError, match="unknown fruit 'ornage'; known: apple, orange; did you mean 'orange'"):
        registry.get("ornage")


@pytest.mark.parametrize("path", ["module", "module.attribute", "a:b:c"])
def test_a_path_of_another_form_is_refused(path: str) -> None:
    registry: Registry[object] = Registry("fruit", {})
    with pytest.raises(UsageError, match="not of the form 'module:attribute'"):
        registry.register("pear", path)
    assert "pear" not in registry
