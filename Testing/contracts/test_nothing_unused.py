"""Every setting is read, and every argument of a function is used: what has no effect is not asked for."""

from __future__ import annotations

import ast

from source_tree import files_in

from coranet.contract.config import SegmentConfig, TrainConfig


def test_every_setting_is_read_by_somebody():
    read = {
        node.attr
        for file in files_in(".")
        if "config" not in file.path.parts
        for node in file.nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    names = {setting.name for setting in (*TrainConfig.settings(), *SegmentConfig.settings())}
    assert len(names) > 60
    assert [name for name in sorted(names) if name.rpartition(".")[2] not in read] == []


# What a protocol or a library hands over, whether it is needed or not.
_HANDED_OVER = {"event", "caller", "frame", "number", "node", "scene"}


def unused_arguments(function: ast.FunctionDef) -> list[str]:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    is_empty = not body or all(isinstance(statement, (ast.Pass, ast.Expr, ast.Raise)) for statement in body)
    if is_empty or any("overload" in ast.unparse(decorator) for decorator in function.decorator_list):
        return []
    names = {node.id for part in body for node in ast.walk(part) if isinstance(node, ast.Name)}
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [
        argument.arg
        for argument in given
        if argument.arg not in {*names, "self", "cls"} and not argument.arg.startswith("_")
    ]


# Methods of one interface, of which some need less than others.
_INTERFACES = {("supervised.py", "self_train")}


def test_no_function_takes_what_it_does_not_use():
    found = [
        f"{file.path.name}:{node.lineno} {node.name}({name})"
        for file in files_in(".")
        for node in file.nodes
        if isinstance(node, ast.FunctionDef) and node.name[:2] != "__"
        if (file.path.name, node.name) not in _INTERFACES
        for name in unused_arguments(node)
        if name not in _HANDED_OVER
    ]
    assert found == []
