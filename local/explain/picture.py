"""A program's architecture as SVG: a box for each component, in it what runs and what is kept, and who reaches whom."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

from ..graph import Registered
from .rights import rights

SHOWN = {
    "aws:apigatewayv2/api:Api": ("door", "API"),
    "aws:cognito/userPool:UserPool": ("door", "user pool"),
    "aws:lambda/function:Function": ("function", "function"),
    "aws:dynamodb/table:Table": ("data", "table"),
    "aws:s3/bucket:Bucket": ("data", "bucket"),
    "aws:rds/cluster:Cluster": ("data", "database"),
    "aws:glue/catalogDatabase:CatalogDatabase": ("data", "catalogue"),
    "aws:sqs/queue:Queue": ("way", "queue"),
    "aws:cloudwatch/eventBus:EventBus": ("way", "bus"),
    "aws:sns/topic:Topic": ("way", "topic"),
    "aws:kinesis/stream:Stream": ("way", "stream"),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": ("way", "archive"),
    "aws:scheduler/scheduleGroup:ScheduleGroup": ("way", "timers"),
}
_COLOURS = {"door": "#f6d6a8", "function": "#cfe3ff", "data": "#d6efd2", "way": "#ece4f8"}
_ASIDE = ("-failures", "-parked", "-dead-letters")
_WIDTH, _HEIGHT, _GAP, _MARGIN, _TOP = 250, 34, 12, 24, 44
_BOX = _WIDTH + 28
_COLUMN = _BOX + 100
_READS = ("Get", "Query", "Scan", "BatchGet", "Describe", "List")


@dataclass
class _Box:
    each: Registered
    x: int = 0
    y: int = 0


@dataclass
class _Picture:
    boxes: dict[str, _Box] = field(default_factory=dict)
    edges: list[tuple[str, str, bool]] = field(default_factory=list)


def svg(resources: Iterable[Registered]) -> str:
    """One file without anything outside of it. The same graph gives the same bytes. Queues for what failed are left
    out, and so is what every function does, logs and traces."""
    graph = {each.urn: each for each in resources}
    picture = _Picture()
    columns: dict[str, list[Registered]] = defaultdict(list)
    for each in graph.values():
        if each.type in SHOWN and not each.name.endswith(_ASIDE):
            columns[each.parent].append(each)
    order = sorted(columns, key=lambda urn: (_rank(graph, columns[urn]), urn))
    titles = []
    for column, parent in enumerate(order):
        inside = sorted(columns[parent], key=lambda each: (list(_COLOURS).index(SHOWN[each.type][0]), each.name))
        for row, each in enumerate(inside):
            x, y = _MARGIN + column * _COLUMN + 14, _MARGIN + _TOP + row * (_HEIGHT + _GAP)
            picture.boxes[each.urn] = _Box(each, x, y)
        titles.append((graph.get(parent), len(inside)))
    picture.edges = sorted(set(_edges(graph, picture.boxes)))
    return _drawn(picture, titles)


def _rank(graph: Mapping[str, Registered], inside: list[Registered]) -> int:
    """Doors first, then what is behind them."""
    kinds = {SHOWN[each.type][0] for each in inside}
    types = {each.type for each in inside}
    if "aws:apigatewayv2/api:Api" in types:
        return 1
    if "aws:cognito/userPool:UserPool" in types:
        return 0
    return 2 if "way" in kinds and "data" in kinds and "aws:cloudwatch/eventBus:EventBus" in types else 3


def _edges(graph: Mapping[str, Registered], boxes: Mapping[str, _Box]) -> Iterable[tuple[str, str, bool]]:
    """From, to, and whether it is data that is only read."""
    names = {each.each.name: urn for urn, each in sorted(boxes.items())}
    for urn, box in boxes.items():
        if box.each.type != "aws:lambda/function:Function":
            continue
        for right in rights(box.each, graph):
            for resource in right.resources:
                other = names.get(resource.partition("/")[0].partition(":")[0])
                if other is None or other == urn:
                    continue
                verbs = [action.partition(":")[2] for action in right.actions]
                if "ReceiveMessage" in verbs or "/stream/" in resource:
                    yield other, urn, False
                else:
                    reads = all(verb.startswith(_READS) for verb in verbs)
                    yield (other, urn, True) if reads else (urn, other, False)
    for each in graph.values():
        if each.type == "aws:cloudwatch/eventTarget:EventTarget":
            yield from _between(each, "eventBusName", "arn", boxes)
        elif each.type == "aws:sns/topicSubscription:TopicSubscription":
            yield from _between(each, "topic", "endpoint", boxes)
        elif each.type == "aws:apigatewayv2/integration:Integration":
            yield from _between(each, "apiId", "integrationUri", boxes)
        elif each.type == "aws:lambda/eventSourceMapping:EventSourceMapping":
            yield from _between(each, "eventSourceArn", "functionName", boxes)


def _between(each: Registered, start: str, end: str, boxes: Mapping[str, _Box]) -> Iterable[tuple[str, str, bool]]:
    for one in each.property_dependencies.get(start, ()):
        for other in each.property_dependencies.get(end, ()):
            if one in boxes and other in boxes:
                yield one, other, False


def _drawn(picture: _Picture, columns: list[tuple[Registered | None, int]]) -> str:
    tallest = max((count for _, count in columns), default=0)
    width = 2 * _MARGIN + _COLUMN * len(columns) - (_COLUMN - _BOX)
    height = 2 * _MARGIN + _TOP + tallest * (_HEIGHT + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12">',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for column, (component, count) in enumerate(columns):
        title = f"{component.type.rpartition(':')[2]} {component.name}" if component else "the program"
        x, tall = _MARGIN + column * _COLUMN, _TOP + count * (_HEIGHT + _GAP)
        parts.append(
            f'<rect x="{x}" y="{_MARGIN}" width="{_BOX}" height="{tall}" rx="8" fill="#f7f8fa" '
            f'stroke="#c8ccd4"/>'
            f'<text x="{x + 14}" y="{_MARGIN + 24}" font-weight="bold">{escape(title)}</text>'
        )
    for start, end, reads in picture.edges:
        parts.append(_edge(picture.boxes[start], picture.boxes[end], reads))
    for box in picture.boxes.values():
        kind, what = SHOWN[box.each.type]
        parts.append(
            f"<g><title>{escape(box.each.type)} {escape(box.each.name)}</title>"
            f'<rect x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" fill="{_COLOURS[kind]}" '
            f'stroke="#99a"/><text x="{box.x + 9}" y="{box.y + 21}">{escape(box.each.name)}</text>'
            f'<text x="{box.x + _WIDTH - 8}" y="{box.y + 21}" text-anchor="end" fill="#667">{what}</text></g>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _edge(start: _Box, end: _Box, reads: bool) -> str:
    """A curve from side to side; what is only read is dashed."""
    y1, y2 = start.y + _HEIGHT // 2, end.y + _HEIGHT // 2
    dash = ' stroke-dasharray="4 3"' if reads else ""
    if start.x == end.x:
        x = start.x + _WIDTH
        bend = x + 24 + abs(y2 - y1) // 12
        path = f"M{x} {y1} C{bend} {y1} {bend} {y2} {x} {y2}"
    else:
        forward = end.x > start.x
        x1, x2 = (start.x + _WIDTH, end.x) if forward else (start.x, end.x + _WIDTH)
        pull = 60 if forward else -60
        path = f"M{x1} {y1} C{x1 + pull} {y1} {x2 - pull} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#667" stroke-width="1.2"{dash} marker-end="url(#a)"/>'
