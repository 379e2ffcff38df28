"""Small faults of a source file. Docstrings, messages, log calls and types are not changed."""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

_PAIRS = [
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn)),
    *((ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.FloorDiv), (ast.Div, ast.Mod)),
]
OPPOSITES = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
TEXTS = {"$lt": "$lte", "$lte": "$lt", "$gt": "$gte", "$gte": "$gt", "$and": "$or", "$or": "$and", "$ne": "$eq"}
WORDING = re.compile(r"detail|title|description|json_schema_extra|\w*EXAMPLE|logger|Literal|TypeVar|cast")


@dataclass(frozen=True)
class Mutant:
    """A fault: `before` is replaced by `after` in a file.

    `lines` are the lines of the statement, `names` are the module-level names that it belongs to, and `function` is
    its function, or None if it runs at import.
    """

    file: str
    lines: range
    names: tuple[str, ...]
    function: str | None
    offset: int
    before: str
    after: str

    def apply(self, source: str) -> str:
        """Return the source text with the fault."""
        begin, end = source.encode()[: self.offset], source.encode()[self.offset + len(self.before.encode()) :]
        return (begin + self.after.encode() + end).decode()


def mutants(file: str, source: str) -> Iterator[Mutant]:
    """Return all small faults of the file."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for unit in ast.parse(source).body:
        for statement, function, place, after in _walk(unit, unit, (), None):
            offset = starts[place.lineno - 1] + place.col_offset
            end = starts[(place.end_lineno or 0) - 1] + (place.end_col_offset or 0)
            body = getattr(statement, "body", None)
            last = body[0].lineno if isinstance(body, list) else (statement.end_lineno or 0) + 1
            lines = range(statement.lineno, max(last, statement.lineno + 1))
            before = source.encode()[offset:end].decode()
            yield Mutant(file, lines, names_of(unit), function, offset, before, after)


def names_of(unit: ast.stmt) -> tuple[str, ...]:
    """Return the names that a module-level statement defines."""
    places = unit.targets if isinstance(unit, ast.Assign) else [getattr(unit, "target", unit)]
    single = [part for place in places for part in (place.elts if isinstance(place, ast.Tuple) else [place])]
    return tuple(name for place in single if (name := getattr(place, "id", getattr(place, "name", None))))


T = TypeVar("T")
Place = ast.expr | ast.stmt
Fault = tuple[ast.stmt, str | None, Place, str]


def _walk(node: ast.AST, statement: ast.stmt, scope: tuple[str, ...], function: str | None) -> Iterator[Fault]:
    if _is_wording(node):
        return
    statement = node if isinstance(node, ast.stmt) else statement
    yield from ((statement, function, place, after) for place, after in _faults(node))
    for field, value in ast.iter_fields(node):
        children = [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]
        inside, part_of = scope, function
        match node:
            case ast.ClassDef(name=name) if field == "body":
                inside = (*scope, name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if field == "body":
                inside, part_of = (*scope, name), function or ".".join((*scope, name))
            case _ if field in {"decorator_list", "bases", "keys"} or (field == "slice" and _is_constant(children)):
                continue  # a wrong name there breaks the import
            case _ if field in {"annotation", "returns"}:  # types have no effect, calls in them validate values
                children = [call for child in children for call in ast.walk(child) if isinstance(call, ast.Call)]
        for child in children:
            yield from _walk(child, statement, inside, part_of)


def _is_constant(nodes: list[ast.AST]) -> bool:
    return all(isinstance(node, ast.Constant) for node in nodes)


def _is_wording(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Expr(value=ast.Constant()) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=value):
            return _is_wording(value)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name))) | ast.keyword(arg=name):
            return WORDING.fullmatch(name or "") is not None
        case ast.Subscript(value=ast.Name(id=name)):
            return WORDING.fullmatch(name) is not None
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return WORDING.fullmatch(name) is not None
    return False


def _faults(node: ast.AST) -> Iterator[tuple[Place, str]]:  # noqa: C901, PLR0912 -- one case per kind
    """Return the replacements of an expression or statement, with what each of them replaces."""
    match node:
        case ast.Compare(ops=[first, *rest]) if type(first) in OPPOSITES:
            yield node, _with(node, ops=[OPPOSITES[type(first)](), *rest])
        case ast.BoolOp(op=operator, values=values):
            yield node, _with(node, op=OPPOSITES[type(operator)]())
            yield from ((node, _with(node, values=left)) for left in _without_one(values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, f"({ast.unparse(operand)})"
        case ast.If(test=test) | ast.IfExp(test=test):
            yield from ((test, "True"), (test, "False"))
        case ast.BinOp(op=operator, left=left, right=right) if type(operator) in OPPOSITES:
            yield node, _with(node, op=OPPOSITES[type(operator)]())
            if isinstance(operator, ast.Sub):
                yield node, _with(node, left=right, right=left)
        case ast.ListComp(generators=[part]) | ast.SetComp(generators=[part]) | ast.DictComp(generators=[part]):
            for ifs in _without_one(part.ifs):
                yield node, _with(node, generators=[ast.comprehension(part.target, part.iter, ifs, part.is_async)])
        case ast.Dict(keys=keys, values=values):
            for some, kept in zip(_without_one(keys), _without_one(values), strict=True):
                yield node, _with(node, keys=some, values=kept)
        case ast.List(elts=elements, ctx=ast.Load()) | ast.Set(elts=elements) if len(elements) > 1:
            yield from ((node, _with(node, elts=left)) for left in _without_one(elements))
        case ast.Call():
            yield from ((node, after) for after in _faults_of_call(node))
        case ast.Constant(value=bool(truth)):
            yield node, str(not truth)
        case ast.Constant(value=int(number)):
            yield node, str(number + 1)
        case ast.Constant(value=str(text)) if text and " " not in text:
            yield node, repr(TEXTS.get(text, f"{text}_"))
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "pass"


def _faults_of_call(call: ast.Call) -> Iterator[str]:
    """Swap two neighbouring arguments, or leave out a keyword argument."""
    for number, (one, other) in enumerate(pairwise(call.args)):
        if ast.dump(one) != ast.dump(other) and not isinstance(other, ast.Starred):
            yield _with(call, args=[*call.args[:number], other, one, *call.args[number + 2 :]])
    for number, keyword in enumerate(call.keywords):
        if not _is_wording(keyword):
            yield _with(call, keywords=[*call.keywords[:number], *call.keywords[number + 1 :]])


def _with(node: ast.AST, **parts: object) -> str:
    changed = copy.copy(node)
    for name, value in parts.items():
        setattr(changed, name, value)
    return ast.unparse(changed)


def _without_one(values: list[T]) -> Iterator[list[T]]:
    for number in range(len(values)):
        yield [*values[:number], *values[number + 1 :]]
