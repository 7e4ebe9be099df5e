"""How numbers are written for people."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


def shown(value: float | None, unit: str) -> str:
    """Return a value with its unit, a dash where there is none.

    >>> shown(0.9312, "%"), shown(0.01234, "nats"), shown(-2.5, ""), shown(None, "%")
    ('93.1 %', '0.0123 nats', '−2.5', '–')
    """
    return NOTHING if value is None else f"{number(value, unit)} {unit}".rstrip()


def number(value: float, unit: str) -> str:
    """Return a value without its unit: percentages to a tenth, all else to three significant digits.

    >>> number(-0.0312, "%"), number(12.345, "nats"), number(1234.5, ""), number(0.000252, "")
    ('−3.1', '12.3', '1234', '2.5e−04')
    """
    if unit == "%":
        text = f"{100 * value:.1f}"
    elif abs(value) >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{value:.3g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"
    return text.replace("-", MINUS)


def with_spread(mean: float | None, spread: float | None, unit: str) -> str:
    """Return a mean and the spread around it.

    >>> with_spread(0.91, 0.008, "%"), with_spread(0.5123, 0.01234, "")
    ('91.0 ± 0.8 %', '0.512 ± 0.012')
    """
    if mean is None or spread is None:
        return shown(mean, unit)
    around = number(spread, unit) if unit == "%" else f"{spread:.2g}"
    return f"{number(mean, unit)} ± {around} {unit}".rstrip()


def signed(value: float | None) -> str:
    """Return a difference with its sign, two significant digits; beyond 99 it is no longer worth a number.

    >>> signed(1.234), signed(-20.5), signed(310.4), signed(-1e5), signed(None)
    ('+1.2', '−20', '>+99', '<−99', '–')
    """
    if value is None:
        return NOTHING
    if abs(value) > 99:
        return ">+99" if value > 0 else f"<{MINUS}99"
    digits = 1 if abs(value) < 10 else 0
    return f"{value:+.{digits}f}".replace("-", MINUS)


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits.

    >>> duration(0.04), duration(12.34), duration(150), duration(7300)
    ('0.04 s', '12.3 s', '2.5 min', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
