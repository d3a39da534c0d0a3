"""Athena's SQL as the laptop understands it: parameters bound, views opened, tenants found, then DuckDB's dialect.

Pure: tables come from whoever calls, and files are never looked at.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp, tokenize
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

Values = frozenset[str]
Bound = dict[tuple[str, str], Values]

_PARAMETER = "__parameter"
_UNINJECTED = (
    "CONSTRAINT_VIOLATION: For the injected projected partition column {column}, the WHERE clause must contain only "
    "static equality conditions, and at least one such condition must be present."
)


class Malformed(Exception):
    """Refused when the query is started, in Athena's words."""


class Failed(Exception):
    """The query fails, for a reason in Athena's words."""


@dataclass(frozen=True)
class Table:
    """What Glue knows of a table: its columns in order, those that are injected, or the SQL that it is a view of."""

    name: str
    columns: tuple[str, ...]
    injected: tuple[str, ...] = ()
    view: str = ""


@dataclass
class Scan:
    """A table that a query reads, under the name that it has in the translated SQL, for these injected values."""

    table: Table
    name: str
    values: dict[str, Values] = field(default_factory=dict)


Find = Callable[[str, str], Table | None]
"""A table by its database, "" for the query's own, and its name; both in lower case."""


def parse(query: str) -> exp.Expr:
    """One statement, whose ? are numbered. Raises Malformed."""
    try:
        found = [each for each in sqlglot.parse(_numbered(query), read="athena") if each is not None]
    except SqlglotError as error:
        raise Malformed(f"Queries of this type are not supported: {str(error).splitlines()[0]}") from error
    if len(found) != 1:
        raise Malformed("Only one sql statement is allowed. Got: " + query[:100])
    return found[0]


def bind(statement: exp.Expr, parameters: list[str]) -> exp.Expr:
    """`statement` with each ? replaced by its parameter, which is one literal in SQL, as Athena takes them: '' around
    texts, `DATE '...'`, `DECIMAL '...'`. Raises Malformed."""
    found = [each for each in statement.find_all(exp.Anonymous) if each.name == _PARAMETER]
    places = sorted(found, key=lambda each: int(each.expressions[0].name))
    if len(places) != len(parameters):
        raise Malformed(
            f"SYNTAX_ERROR: Incorrect number of parameters: expected {len(places)} but found {len(parameters)}"
        )
    for place, text in zip(places, parameters, strict=True):
        place.replace(_literal(text))
    return statement


def translate(statement: exp.Expr, find: Find) -> tuple[str, list[Scan]]:
    """DuckDB's SQL, and the tables that it reads, each by a name of its own. Raises Failed."""
    if not isinstance(statement, exp.Query):
        raise Failed("NOT_SUPPORTED: the laptop's Athena answers SELECT alone")
    scans: dict[int, Scan] = {}
    opened = _open_views(statement, find, frozenset())
    _Tenants(find, scans).visit(opened, {}, {})
    for node in list(opened.find_all(exp.Table)):
        if (scan := scans.get(id(node))) is not None:
            alias = node.alias or node.name
            node.replace(exp.alias_(exp.to_table(scan.name), alias, table=True))
    return opened.transform(_scaled).sql("duckdb"), list(scans.values())


def _numbered(query: str) -> str:
    """sqlglot does not tell in which order placeholders were written."""
    marks = [token for token in tokenize(query, read="athena") if token.token_type == TokenType.PLACEHOLDER]
    for number, mark in reversed(list(enumerate(marks))):
        query = f"{query[: mark.start]}{_PARAMETER}({number}){query[mark.end + 1 :]}"
    return query


def _scaled(node: exp.Expr) -> exp.Expr:
    """A decimal without precision: of a literal, as exact as it is written; else, as Trino has it, a whole number."""
    if isinstance(node, exp.Cast) and node.to.is_type(exp.DType.DECIMAL) and not node.to.expressions:
        whole, _, fraction = node.this.name.lstrip("-").partition(".") if node.this.is_string else ("", "", "")
        digits = max(len(whole) + len(fraction), 1) if node.this.is_string else 38
        node.set("to", exp.DataType.build(f"decimal({digits}, {len(fraction)})"))
    return node


def _literal(text: str) -> exp.Expr:
    try:
        found = sqlglot.parse_one(text, read="athena")
    except SqlglotError:
        found = None
    inner = found.this if isinstance(found, exp.Cast | exp.Neg | exp.Paren) else found
    if not isinstance(inner, exp.Literal | exp.Boolean | exp.Null):
        raise Malformed(f"SYNTAX_ERROR: the parameter {text[:100]} is no literal: texts stand in single quotes")
    assert found is not None
    return found


def _open_views(query: exp.Expr, find: Find, inside: frozenset[str]) -> exp.Expr:
    """`query` with every view it names replaced by the query that the view is."""
    defined = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for node in list(query.find_all(exp.Table)):
        name = node.name.lower()
        if (not node.db and name in defined) or not name:
            continue
        table = find(node.db.lower(), name)
        if table is None:
            raise Failed(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{node.db or '<database>'}.{name}' does not exist")
        if not table.view:
            continue
        if name in inside:
            raise Failed(f"INVALID_VIEW: view {name} is defined by itself")
        body = _open_views(parse(table.view), find, inside | {name})
        node.replace(exp.Subquery(this=body, alias=exp.TableAlias(this=exp.to_identifier(node.alias or name))))
    return query


class _Tenants:
    """Finds, for every scan of a table with injected columns, the values that the query asks them to equal.

    As Athena's planner: through derived tables and views, where a condition on an output column is one on what it
    came from; a window, a grouping or a limit stops it unless the column is what they keep apart.
    """

    def __init__(self, find: Find, scans: dict[int, Scan]) -> None:
        self._find = find
        self._scans = scans

    def visit(self, query: exp.Expr, outer: Mapping[str, Values], ctes: Mapping[str, exp.Expr]) -> None:
        """`outer`: what is asked of the output columns of `query`; `ctes`: the named queries it may refer to."""
        if isinstance(query, exp.Subquery) and not query.args.get("joins"):
            self.visit(query.this, outer, ctes)
            return
        if (with_ := query.args.get("with_") or query.args.get("with")) is not None:
            ctes = {**ctes, **{cte.alias.lower(): cte.this for cte in with_.expressions}}
        if isinstance(query, exp.SetOperation):
            names = self._outputs(query, ctes)
            for side in (query.left, query.right):
                own = self._outputs(side, ctes)
                self.visit(side, {o: outer[n] for o, n in zip(own, names, strict=False) if n in outer}, ctes)
            return
        if not isinstance(query, exp.Select):
            raise Failed(f"NOT_SUPPORTED: the laptop's Athena does not read {query.key} as a table")
        sources = dict(self._sources(query))
        columns = {alias: self._columns(node, ctes) for alias, node in sources.items()}
        asked = self._asked(query, columns, outer, ctes)
        for alias, node in sources.items():
            mine = {column: values for (of, column), values in asked.items() if of == alias}
            self._source(node, mine, ctes)
        for nested in self._nested(query):
            self.visit(nested, {}, ctes)

    def _source(self, node: exp.Expr, asked: Mapping[str, Values], ctes: Mapping[str, exp.Expr]) -> None:
        if isinstance(node, exp.Subquery):
            self.visit(node.this, asked, ctes)
        elif isinstance(node, exp.Table):
            if not node.db and (cte := ctes.get(node.name.lower())) is not None:
                others = {name: query for name, query in ctes.items() if name != node.name.lower()}
                self.visit(cte, asked, others)
                return
            table = self._find(node.db.lower(), node.name.lower())
            assert table is not None, "views were opened, and tables found"
            for column in table.injected:
                if column not in asked:
                    raise Failed(_UNINJECTED.format(column=column))
            scan = self._scans.setdefault(id(node), Scan(table, f"scan_{len(self._scans)}"))
            for column in table.injected:
                scan.values[column] = scan.values.get(column, frozenset()) | asked[column]

    def _asked(
        self,
        query: exp.Select,
        columns: Mapping[str, list[str]],
        outer: Mapping[str, Values],
        ctes: Mapping[str, exp.Expr],
    ) -> Bound:
        asked: Bound = {}
        equal: list[tuple[tuple[str, str], tuple[str, str]]] = []
        conditions = [query.args["where"].this] if query.args.get("where") else []
        conditions += [join.args["on"] for join in query.args.get("joins") or [] if join.args.get("on")]
        for condition in (part for each in conditions for part in _conjuncts(each)):
            if isinstance(condition, exp.EQ):
                sides = condition.left, condition.right
                places = [_place(side, columns) for side in sides]
                if places[0] and places[1]:
                    equal.append((places[0], places[1]))
                for place, value in ((places[0], sides[1]), (places[1], sides[0])):
                    if place and (text := _text(value)) is not None:
                        _narrow(asked, place, frozenset({text}))
            elif isinstance(condition, exp.In) and (place := _place(condition.this, columns)):
                texts = [_text(each) for each in condition.expressions]
                if texts and None not in texts:
                    _narrow(asked, place, frozenset(text for text in texts if text is not None))
        for place, values in self._from_outside(query, columns, outer):
            _narrow(asked, place, values)
        for _ in range(len(equal) + 1):
            for one, other in equal:
                for source, target in ((one, other), (other, one)):
                    if source in asked:
                        _narrow(asked, target, asked[source])
        return asked

    def _from_outside(
        self, query: exp.Select, columns: Mapping[str, list[str]], outer: Mapping[str, Values]
    ) -> Iterator[tuple[tuple[str, str], Values]]:
        if not outer or query.args.get("limit") or query.args.get("offset"):
            return
        keeping = [window.args.get("partition_by") or [] for window in _windows(query.expressions)]
        if (group := query.args.get("group")) is not None:
            keeping.append([_by_position(each, query) for each in group.expressions])
        kept = [{_place(each, columns) for each in keys} for keys in keeping]
        for projection in query.expressions:
            if projection.is_star:
                found = [(alias, name) for alias, names in columns.items() for name in names if name in outer]
                places = {name: (alias, name) for alias, name in found}
            else:
                place = _place(projection.unalias(), columns)
                places = {projection.alias_or_name.lower(): place} if place else {}
            for name, place in places.items():
                if name in outer and all(place in keys for keys in kept):
                    yield place, outer[name]

    def _sources(self, query: exp.Select) -> Iterator[tuple[str, exp.Expr]]:
        first = query.args.get("from_") or query.args.get("from")
        for each in [first, *(query.args.get("joins") or [])] if first else []:
            yield each.this.alias_or_name.lower(), each.this

    def _columns(self, node: exp.Expr, ctes: Mapping[str, exp.Expr]) -> list[str]:
        if isinstance(node, exp.Subquery):
            return self._outputs(node.this, ctes)
        if isinstance(node, exp.Table):
            if not node.db and (cte := ctes.get(node.name.lower())) is not None:
                return self._outputs(cte, ctes)
            table = self._find(node.db.lower(), node.name.lower())
            return list(table.columns) if table else []
        return [column.lower() for column in node.alias_column_names]

    def _outputs(self, query: exp.Expr, ctes: Mapping[str, exp.Expr]) -> list[str]:
        if isinstance(query, exp.Subquery):
            return self._outputs(query.this, ctes)
        if isinstance(query, exp.SetOperation):
            return self._outputs(query.left, ctes)
        if not isinstance(query, exp.Select):
            return []
        if (with_ := query.args.get("with_") or query.args.get("with")) is not None:
            ctes = {**ctes, **{cte.alias.lower(): cte.this for cte in with_.expressions}}
        names: list[str] = []
        for projection in query.expressions:
            if projection.is_star:
                of = projection.table.lower() if isinstance(projection, exp.Column) else ""
                for alias, node in self._sources(query):
                    names += self._columns(node, ctes) if of in ("", alias) else []
            else:
                names.append(projection.alias_or_name.lower())
        return names

    def _nested(self, query: exp.Select) -> Iterator[exp.Expr]:
        """Queries within conditions and expressions."""
        for name, part in query.args.items():
            if name in ("from", "from_", "joins", "with", "with_"):
                continue
            for each in part if isinstance(part, list) else [part]:
                if isinstance(each, exp.Expr):
                    yield from _queries(each)


def _queries(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Query):
        yield node
        return
    for child in node.iter_expressions():
        yield from _queries(child)


def _windows(nodes: Iterable[exp.Expr]) -> Iterator[exp.Expr]:
    """Of one query: those of the queries within it are their own."""
    for node in nodes:
        if isinstance(node, exp.Window):
            yield node
        if not isinstance(node, exp.Query):
            yield from _windows(node.iter_expressions())


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(condition, exp.Paren):
        yield from _conjuncts(condition.this)
    elif isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition


def _place(node: Any, columns: Mapping[str, list[str]]) -> tuple[str, str] | None:
    """Which source's column this is; None for what is none, or could be several."""
    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
        return None
    name, table = node.name.lower(), node.table.lower()
    if table:
        return (table, name) if table in columns else None
    found = [alias for alias, names in columns.items() if name in names]
    return (found[0], name) if len(found) == 1 else None


def _by_position(node: exp.Expr, query: exp.Select) -> exp.Expr:
    if isinstance(node, exp.Literal) and not node.is_string:
        return query.expressions[int(node.this) - 1].unalias()
    return node


def _text(node: exp.Expr) -> str | None:
    return node.this if isinstance(node, exp.Literal) and node.is_string else None


def _narrow(asked: Bound, place: tuple[str, str], values: Values) -> None:
    asked[place] = asked[place] & values if place in asked else values
