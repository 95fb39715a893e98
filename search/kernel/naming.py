"""Names for loop dimensions, by the role they play: m, n, k for a matmul; oh, ow, kh, kw, c, f for a convolution.

Owns the names that schedule texts use. Invariant: dimensions tied by a buffer that one stage writes and another reads
get the same name; no stage has a name twice.
"""

from __future__ import annotations

from costmodel.search.kernel.form import Access, Kernel, Linear, Operand, Ref, Stage

Key = tuple[str, int]


class _Classes:
    """Union-find over (stage, dimension); a union that would identify two dimensions of one stage is refused."""

    def __init__(self, kernel: Kernel) -> None:
        self.members: dict[Key, list[Key]] = {}
        self.head: dict[Key, Key] = {}
        self.extent = {(s.name, i): d.extent for s in kernel.stages for i, d in enumerate(s.dims)}
        for key in self.extent:
            self.members[key] = [key]
            self.head[key] = key

    def union(self, a: Key, b: Key) -> None:
        x, y = self.head[a], self.head[b]
        if x == y or self.extent[a] != self.extent[b]:
            return
        if {m[0] for m in self.members[x]} & {m[0] for m in self.members[y]}:
            return
        for m in self.members.pop(y):
            self.head[m] = x
            self.members[x].append(m)


def _single(linear: Linear) -> int | None:
    used = [d for d, c in enumerate(linear.coeffs) if c]
    if len(used) == 1 and linear.coeffs[used[0]] == 1 and linear.const == 0:
        return used[0]
    return None


def _tie(classes: _Classes, s1: Stage, a1: Access, s2: Stage, a2: Access) -> None:
    for l1, l2 in zip(a1.maps, a2.maps, strict=True):
        d1, d2 = _single(l1), _single(l2)
        if d1 is not None and d2 is not None:
            classes.union((s1.name, d1), (s2.name, d2))


def name_dims(kernel: Kernel) -> dict[str, tuple[str, ...]]:
    """Dimension names for every stage, in the order of its `dims`."""
    classes = _Classes(kernel)
    accesses = [(s, a, w) for s in kernel.stages for w, group in ((True, s.writes), (False, s.reads)) for a in group]
    for wanted in (True, False):  # ties through written buffers first, then through shared inputs
        for i, (s1, a1, w1) in enumerate(accesses):
            for s2, a2, w2 in accesses[i + 1 :]:
                if a1.buffer == a2.buffer and s1 is not s2 and (w1 or w2) == wanted:
                    _tie(classes, s1, a1, s2, a2)
    anchor = max(kernel.stages, key=lambda s: (s.points * (1 + s.is_reduction), s.is_reduction))
    names: dict[Key, str] = {}
    taken: set[str] = set()
    for stage in (anchor, *(s for s in kernel.stages if s is not anchor)):
        for i, role in enumerate(dim_roles(stage)):
            head = classes.head[(stage.name, i)]
            if head not in names:
                names[head] = _fresh(role, taken)
    return {s.name: tuple(names[classes.head[(s.name, i)]] for i in range(len(s.dims))) for s in kernel.stages}


def _fresh(role: str, taken: set[str]) -> str:
    name, number = role, 2
    while name in taken:
        name, number = f"{role}{number}", number + 1
    taken.add(name)
    return name


def windowed_dims(stage: Stage) -> set[int]:
    """Dimensions that appear in a sum with another one (sliding windows)."""
    found: set[int] = set()
    for access in stage.reads:
        for linear in access.maps:
            used = [d for d, c in enumerate(linear.coeffs) if c]
            if len(used) > 1:
                found.update(used)
    return found


def depends_on(access: Access) -> set[int]:
    """Dimensions an access uses."""
    return {d for linear in access.maps for d, c in enumerate(linear.coeffs) if c}


def factors(stage: Stage) -> tuple[set[int], set[int]] | None:
    """For a sum of products: the dimensions each factor depends on. None where there is no product of two sources."""
    names = [op.name for op in stage.body]
    if not stage.is_reduction or names[-2:] != ["arith.mulf", "arith.addf"]:
        return None
    left, right = (_sources(stage, o) for o in stage.body[-2].operands)
    dims = [set().union(*(depends_on(stage.reads[r]) for r in reads)) for reads in (left, right)]
    moving = {i for i, d in enumerate(stage.dims) if d.extent > 1}
    if not left or not right or left == right or not (dims[0] & dims[1] & moving or moving == set()):
        return None
    return dims[0], dims[1]


def _sources(stage: Stage, operand: Operand) -> frozenset[int]:
    """Reads that a body value is computed from."""
    if not isinstance(operand, Ref):
        return frozenset()
    if operand.kind == "read":
        return frozenset([operand.index])
    if operand.kind != "op":
        return frozenset()
    return frozenset().union(*(_sources(stage, o) for o in stage.body[operand.index].operands))


def dim_roles(stage: Stage) -> tuple[str, ...]:
    """The conventional name of each dimension, not yet unique."""
    windows = windowed_dims(stage)
    spatial = [i for i in sorted(windows) if not stage.dims[i].reduction]
    kernel = [i for i in sorted(windows) if stage.dims[i].reduction]
    roles: dict[int, str] = {}
    for group, letter in ((spatial, "o"), (kernel, "k")):
        suffixes = {1: ["w"], 2: ["h", "w"], 3: ["d", "h", "w"]}.get(len(group), [str(i) for i in range(len(group))])
        roles.update({i: letter + s for i, s in zip(group, suffixes, strict=True)})
    product = factors(stage)
    if product is not None:
        roles.update({i: r for i, r in _contraction_roles(stage, product, bool(windows)).items() if i not in roles})
    parallel = iter(["i", "j", "l", "p", "q", "s", "t", "u"])
    reduced = iter(["r", "r2", "r3", "r4"])
    for i, dim in enumerate(stage.dims):
        if i not in roles:
            roles[i] = next(reduced, "r5") if dim.reduction else next(parallel, "v")
    return tuple(roles[i] for i in range(len(stage.dims)))


def _contraction_roles(stage: Stage, product: tuple[set[int], set[int]], convolution: bool) -> dict[int, str]:
    image, weight = product
    if convolution and len(windowed_dims(stage) & image) < len(windowed_dims(stage) & weight):
        image, weight = weight, image
    roles = {}
    for i, dim in enumerate(stage.dims):
        both = i in image and i in weight
        if dim.reduction:
            roles[i] = "c" if convolution else "k"
        elif both:
            roles[i] = "c" if convolution else "b"
        elif i in image:
            roles[i] = "n" if convolution else "m"
        else:
            roles[i] = "f" if convolution else "n"
    return roles
