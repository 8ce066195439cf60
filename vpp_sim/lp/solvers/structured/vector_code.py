"""Straight-line vector code, written in Python by tracing and compiled by LLVM: eight lanes side by side.

A kernel of the structured solver is one loop over steps whose body is a few hundred multiplications known in advance
from the program's structure. Written as Python over `Vec` values (`h = zl / v + zu / w`), each operation emits one LLVM
instruction on a vector of eight doubles. That costs 0.2 to 1 s of compilation per structure, needs no type inference,
leaves nothing to an auto-vectoriser, and the object code is kept on disk. llvmlite is what numba itself compiles with.

Python floats stand for constants known when the code is made: adding 0.0 or multiplying by 0.0, 1.0 or -1.0 emits
nothing or a negation, so structural zeros cost nothing.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Union

from vpp_sim.whole_files import whole_file

LANES = 8

_lock = threading.Lock()
_initialised = False

Expr = Union["Vec", float]
Kernel = Callable[[int], None]


class Vec:
    """A vector of LANES doubles inside a function that is being written."""

    __slots__ = ("code", "value")

    def __init__(self, code: Code, value: Any) -> None:
        self.code = code
        self.value = value

    def __add__(self, other: Expr) -> Expr:
        return self.code.add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Expr) -> Expr:
        return self.code.subtract(self, other)

    def __rsub__(self, other: Expr) -> Expr:
        return self.code.subtract(other, self)

    def __mul__(self, other: Expr) -> Expr:
        return self.code.multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Expr) -> Expr:
        return self.code.divide(self, other)

    def __rtruediv__(self, other: Expr) -> Expr:
        return self.code.divide(other, self)

    def __neg__(self) -> Expr:
        return self.code.multiply(self, -1.0)


class Code:
    """Writes one function `void name(int64 *parameters)` of an LLVM module."""

    def __init__(self, module: Any, name: str) -> None:
        from llvmlite import ir  # type: ignore[import-untyped]

        self.ir = ir
        self.double = ir.DoubleType()
        self.int = ir.IntType(64)
        self.vector = ir.VectorType(self.double, LANES)
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [self.int.as_pointer()]), name)
        self.parameters = function.args[0]
        self.function = function
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self._constants: dict[float, Vec] = {}

    # --- numbers -----------------------------------------------------------------------------------------------
    def constant(self, number: float) -> Vec:
        """The same number in all lanes."""
        if number not in self._constants:
            self._constants[number] = Vec(self, self.ir.Constant(self.vector, [self.double(number)] * LANES))
        return self._constants[number]

    def vec(self, value: Expr) -> Vec:
        """A float made a vector."""
        return value if isinstance(value, Vec) else self.constant(float(value))

    def _emit(self, operation: str, left: Expr, right: Expr) -> Vec:
        emit = getattr(self.builder, operation)
        return Vec(self, emit(self.vec(left).value, self.vec(right).value, flags=("contract",)))

    def add(self, left: Expr, right: Expr) -> Expr:
        """Sum."""
        if isinstance(left, float) and left == 0.0:
            return right
        if isinstance(right, float) and right == 0.0:
            return left
        return self._emit("fadd", left, right)

    def subtract(self, left: Expr, right: Expr) -> Expr:
        """Difference."""
        if isinstance(right, float) and right == 0.0:
            return left
        if isinstance(left, float) and left == 0.0:
            return self.multiply(right, -1.0)
        return self._emit("fsub", left, right)

    def multiply(self, left: Expr, right: Expr) -> Expr:
        """Product."""
        if isinstance(left, float):
            left, right = right, left
        if isinstance(right, float) and isinstance(left, Vec):
            if right == 0.0:
                return 0.0
            if right == 1.0:
                return left
            if right == -1.0:
                return Vec(self, self.builder.fneg(left.value))
        if isinstance(left, float) and isinstance(right, float):
            return left * right
        return self._emit("fmul", left, right)

    def divide(self, left: Expr, right: Expr) -> Expr:
        """Quotient."""
        if isinstance(left, float) and left == 0.0:
            return 0.0
        return self._emit("fdiv", left, right)

    def above(self, left: Expr, right: Expr) -> Any:
        """Mask of the lanes where left > right (false for NaN)."""
        return self.builder.fcmp_ordered(">", self.vec(left).value, self.vec(right).value)

    def both(self, left: Any, right: Any) -> Any:
        """Conjunction of two masks; None is a mask that holds everywhere."""
        if left is None:
            return right
        return left if right is None else self.builder.and_(left, right)

    def where(self, mask: Any, yes: Expr, no: Expr) -> Expr:
        """Lane by lane choice; a mask of None holds everywhere."""
        if mask is None or (isinstance(yes, float) and isinstance(no, float) and yes == no):
            return yes
        return Vec(self, self.builder.select(mask, self.vec(yes).value, self.vec(no).value))

    def larger(self, left: Expr, right: Expr) -> Expr:
        """Lane by lane maximum; a NaN on the left is dropped, one on the right is kept."""
        return self.where(self.above(left, right), left, right)

    def absolute(self, value: Expr) -> Expr:
        """Magnitude."""
        if isinstance(value, float):
            return abs(value)
        name = f"llvm.fabs.v{LANES}f64"
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            function = self.ir.Function(module, self.ir.FunctionType(self.vector, [self.vector]), name)
        return Vec(self, self.builder.call(function, [value.value]))

    def rough_ratio(self, left: Expr, right: Expr) -> Expr:
        """left / right to single precision (a division four times as fast), for step lengths."""
        single = self.ir.VectorType(self.ir.FloatType(), LANES)
        top = self.builder.fptrunc(self.vec(left).value, single)
        bottom = self.builder.fptrunc(self.vec(right).value, single)
        return Vec(self, self.builder.fpext(self.builder.fdiv(top, bottom), self.vector))

    # --- memory ------------------------------------------------------------------------------------------------
    def parameter(self, number: int) -> Any:
        """Integer parameter (a count, or an address as an integer)."""
        return self.builder.load(self.builder.gep(self.parameters, [self.int(number)]), typ=self.int)

    def array(self, number: int) -> Any:
        """Parameter as a pointer to doubles."""
        return self.builder.inttoptr(self.parameter(number), self.double.as_pointer())

    def offset(self, pointer: Any, doubles: Any) -> Any:
        """Pointer to doubles, moved."""
        return self.builder.gep(pointer, [doubles], source_etype=self.double)

    def offset_int(self, pointer: Any, integers: Any) -> Any:
        """Pointer to integers, moved."""
        return self.builder.gep(pointer, [integers], source_etype=self.int)

    def load(self, pointer: Any, slot: int) -> Vec:
        """Vector number `slot` behind a pointer to doubles."""
        at = self.offset(pointer, self.int(slot * LANES))
        at = self.builder.bitcast(at, self.vector.as_pointer())
        return Vec(self, self.builder.load(at, align=64, typ=self.vector))

    def load_scalar(self, pointer: Any, slot: int) -> Vec:
        """Double number `slot` behind a pointer, in all lanes."""
        number = self.builder.load(self.offset(pointer, self.int(slot)), typ=self.double)
        undefined = self.ir.Constant(self.vector, self.ir.Undefined)
        one = self.builder.insert_element(undefined, number, self.ir.IntType(32)(0))
        pattern = self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), LANES), [self.ir.IntType(32)(0)] * LANES)
        return Vec(self, self.builder.shuffle_vector(one, undefined, pattern))

    def store(self, value: Expr, pointer: Any, slot: int) -> None:
        """Write vector number `slot` behind a pointer."""
        at = self.offset(pointer, self.int(slot * LANES))
        self.builder.store(self.vec(value).value, self.builder.bitcast(at, self.vector.as_pointer()), align=64)

    def splat(self, integer: Any) -> Vec:
        """An integer of the code as a double in all lanes."""
        number = self.builder.sitofp(integer, self.double)
        undefined = self.ir.Constant(self.vector, self.ir.Undefined)
        one = self.builder.insert_element(undefined, number, self.ir.IntType(32)(0))
        pattern = self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), LANES), [self.ir.IntType(32)(0)] * LANES)
        return Vec(self, self.builder.shuffle_vector(one, undefined, pattern))

    # --- variables that live across steps ------------------------------------------------------------------------
    def variable(self, initial: Expr = 0.0) -> Variable:
        """A vector that is read and assigned; LLVM keeps it in a register where there is one."""
        with self.builder.goto_entry_block():
            slot = self.builder.alloca(self.vector)
            slot.align = 64
        variable = Variable(self, slot)
        variable.set(initial)
        return variable

    def counter(self, initial: int = 0) -> Any:
        """An integer variable (a pointer; use builder.load and store)."""
        with self.builder.goto_entry_block():
            slot = self.builder.alloca(self.int)
        self.builder.store(self.int(initial), slot)
        return slot

    def read_int(self, slot: Any) -> Any:
        """Value of an integer variable."""
        return self.builder.load(slot, typ=self.int)

    @contextmanager
    def loop(self, first: Any, end: Any, *, down: bool = False) -> Iterator[Any]:
        """for i in range(first, end), or from end - 1 down to first."""
        with self.builder.goto_entry_block():
            slot = self.builder.alloca(self.int)
        b = self.builder
        b.store(b.sub(end, self.int(1)) if down else first, slot)
        head, body, after = (self.function.append_basic_block(n) for n in ("head", "body", "after"))
        b.branch(head)
        b.position_at_end(head)
        index = b.load(slot, typ=self.int)
        b.cbranch(b.icmp_signed(">=", index, first) if down else b.icmp_signed("<", index, end), body, after)
        b.position_at_end(body)
        yield index
        b.store(b.sub(index, self.int(1)) if down else b.add(index, self.int(1)), slot)
        b.branch(head)
        b.position_at_end(after)

    @contextmanager
    def only_if(self, condition: Any) -> Iterator[None]:
        """A branch that is rarely taken."""
        with self.builder.if_then(condition, likely=False):
            yield


class Variable:
    """See Code.variable."""

    __slots__ = ("code", "slot")

    def __init__(self, code: Code, slot: Any) -> None:
        self.code = code
        self.slot = slot

    def get(self) -> Vec:
        """The value now."""
        return Vec(self.code, self.code.builder.load(self.slot, align=64, typ=self.code.vector))

    def set(self, value: Expr) -> None:
        """Assign."""
        self.code.builder.store(self.code.vec(value).value, self.slot, align=64)


class Library:
    """Compiled functions of one module; keeps the execution engine alive as long as a function may be called."""

    def __init__(self, engine: Any, names: list[str], from_cache: bool) -> None:
        self._engine = engine
        self.from_cache = from_cache
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        self.functions: dict[str, Any] = {name: prototype(engine.get_function_address(name)) for name in names}


def cache_folder() -> Path:
    """Where object code is kept: $VPP_SIM_CACHE, or the user's cache folder; a temporary one without a home."""
    chosen = os.environ.get("VPP_SIM_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        above = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:
        above = Path(tempfile.gettempdir()) / f"vpp_sim-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    return above / "vpp_sim" / "kernels"


def is_cached(key: str) -> bool:
    """Whether the object code of a key lies on disk for this processor."""
    return os.access(cache_folder() / f"{_file_key(key)}.o", os.R_OK)


def _file_key(key: str) -> str:
    import llvmlite
    import llvmlite.binding as llvm  # type: ignore[import-untyped]

    machine = f"{llvmlite.__version__} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    return hashlib.sha256(f"1 {key} {machine}".encode()).hexdigest()[:32]


def compile_module(key: str, write: Callable[[Any], None], names: list[str]) -> Library:
    """The functions `names` that `write` puts into a module, from the disk cache where they were compiled before.

    `key` must tell apart everything that changes the code.
    """
    import llvmlite.binding as llvm
    from llvmlite import ir

    global _initialised
    with _lock:
        if not _initialised:
            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
            _initialised = True
        features = llvm.get_host_cpu_features()
        features["prefer-256-bit"] = False
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
        )
        path = cache_folder() / f"{_file_key(key)}.o"
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        kept = _kept(path)
        if kept is not None:
            engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(kept))
        else:
            module = ir.Module("kernels")
            write(module)
            compiled = llvm.parse_assembly(str(module))
            compiled.verify()
            tuning = llvm.create_pipeline_tuning_options(speed_level=1)
            builder = llvm.create_pass_builder(machine, tuning)
            # registers for the variables are all that is wanted: the full pipeline takes as long as code generation
            # and made the code no faster
            passes = llvm.create_new_function_pass_manager()
            passes.add_sroa_pass()
            for function in compiled.functions:
                if not function.is_declaration:
                    passes.run(function, builder)
            code = machine.emit_object(compiled)
            _keep(path, code)
            engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
        engine.finalize_object()
        return Library(engine, names, kept is not None)


def _kept(path: Path) -> bytes | None:
    """Object code of a cache file; None where there is none, or what is there is not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def _keep(path: Path, code: bytes) -> None:
    """Write a cache file whole or not at all; a folder that cannot be written to is no reason to fail."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as made:
            made.write_bytes(hashlib.sha256(code).digest() + code)
    except OSError:
        return
