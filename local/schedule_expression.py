"""When a schedule fires: `rate(...)`, `cron(...)` and `at(...)` as EventBridge Scheduler reads them."""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Next = Callable[[datetime], datetime | None]
"""The first moment after the given one at which the schedule fires, or None when there is none."""

_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): n for n, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_YEARS_AHEAD = 10


class ScheduleError(ValueError):
    """A schedule expression that cannot be read."""


def parse(expression: str, zone: str = "UTC", start: datetime | None = None) -> Next:
    """Read an expression. `start` anchors a rate; the time zone is that of `cron` and `at`."""
    form = re.fullmatch(r"(rate|cron|at)\((.+)\)", expression.strip())
    if form is None:
        raise ScheduleError(
            f"{expression!r} is no schedule: rate(5 minutes), cron(0 3 * * ? *) or at(2026-01-31T03:00:00)"
        )
    kind, content = form.groups()
    if kind == "rate":
        return _rate(content, start or datetime.now(UTC))
    if kind == "at":
        moment = datetime.fromisoformat(content).replace(tzinfo=ZoneInfo(zone))
        return lambda after: moment.astimezone(UTC) if moment > after else None
    return _Cron.read(content, ZoneInfo(zone)).after


def _rate(content: str, start: datetime) -> Next:
    form = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", content)
    if form is None:
        raise ScheduleError(f"rate({content}): say a number of minutes, hours or days, as rate(5 minutes)")
    every = timedelta(seconds=int(form[1]) * _UNITS[form[2]])
    return lambda after: start + every * max(1, (after - start) // every + 1)


@dataclass(frozen=True)
class _Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: Callable[[date], bool]
    months: frozenset[int]
    years: Callable[[int], bool]
    zone: ZoneInfo

    @classmethod
    def read(cls, content: str, zone: ZoneInfo) -> "_Cron":
        fields = content.split()
        if len(fields) != 6:
            raise ScheduleError(
                f"cron({content}) has {len(fields)} fields, not 6: minutes hours day month weekday year"
            )
        minutes, hours, days, months, weekdays, years = fields
        if (days == "?") == (weekdays == "?"):
            raise ScheduleError(f"cron({content}): one of day and weekday must be `?`, the other must not")
        by_day = _weekdays(weekdays) if days == "?" else _month_days(days)
        allowed = None if years == "*" else _values(years, 1970, 2199)
        return cls(
            _values(minutes, 0, 59),
            _values(hours, 0, 23),
            by_day,
            _values(months, 1, 12, _MONTHS),
            lambda year: allowed is None or year in allowed,
            zone,
        )

    def after(self, moment: datetime) -> datetime | None:
        local = moment.astimezone(self.zone)
        day = local.date()
        while day.year <= local.year + _YEARS_AHEAD:
            if day.month in self.months and self.years(day.year) and self.days(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        fires = datetime.combine(day, time(hour, minute), self.zone).astimezone(UTC)
                        if fires > moment:
                            return fires
            day += timedelta(days=1)
        return None


def _month_days(field: str) -> Callable[[date], bool]:
    if field == "L":
        return lambda day: day.day == calendar.monthrange(day.year, day.month)[1]
    days = _values(field, 1, 31)
    return lambda day: day.day in days


def _weekdays(field: str) -> Callable[[date], bool]:
    if form := re.fullmatch(r"(\w+)#([1-5])", field):
        weekday, nth = _number(form[1], _DAYS), int(form[2])
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == nth
    if form := re.fullmatch(r"(\w+)L", field):
        weekday = _number(form[1], _DAYS)
        return lambda day: _weekday(day) == weekday and (day + timedelta(days=7)).month != day.month
    weekdays = _values(field, 1, 7, _DAYS)
    return lambda day: _weekday(day) in weekdays


def _weekday(day: date) -> int:
    """1 is Sunday."""
    return day.isoweekday() % 7 + 1


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """The numbers that `*`, `a`, `a-b`, `a/n` and lists of them stand for."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        else:
            begin, _, end = span.partition("-")
            first = _number(begin, names)
            last = _number(end, names) if end else (high if step else first)
        if not low <= first <= last <= high or (step and not step.isdecimal()):
            raise ScheduleError(f"{part!r} in a cron expression is not within {low} to {high}")
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text.upper() in names:
        return names[text.upper()]
    if not text.isdecimal():
        raise ScheduleError(f"{text!r} in a cron expression is not read here")
    return int(text)
