"""Words of the fictitious world: invented names from syllables, and short lists of ordinary English."""

from __future__ import annotations

from lethe.worlds.people.draws import Draws

FIRST = (
    ("Ba", "De", "Fi", "Ga", "Ho", "Ju", "Ki", "Lo", "Mi", "Ne", "Pe", "Ra"),
    ("bel", "dra", "lin", "mo", "sia", "ton"),
)
LAST = (
    ("Bra", "Cor", "Dal", "Fen", "Gor", "Hul", "Kes", "Lan", "Mor", "Nav", "Ost", "Tov", "Vel", "Zab"),
    ("a", "e", "i", "o"),
)
ENDINGS = (("n", "r"), ("k", "l"), ("sh", "th"), ("nd", "nt"))  # the pairs tell namesakes apart
PLACES = (
    ("Al", "Be", "Dor", "Es", "Lu", "Nor", "Pol", "Ri", "Sa", "Um"),
    ("beck", "fora", "gate", "mia", "tu", "wick"),
)
RIVERS = (("Ar", "Ben", "Il", "Os", "Tre", "Wey"), ("da", "now", "sel", "ven"))
FIRMS = (
    "Amber",
    "Beacon",
    "Cedar",
    "Falcon",
    "Granite",
    "Harbour",
    "Juniper",
    "Lantern",
    "Marble",
    "Orchard",
    "Silver",
)
TRADES = ("Mills", "Works", "Press", "Glass")
TREES = ("Larch", "Maple", "Poplar", "Rowan", "Willow", "Hazel", "Linden", "Cherry", "Walnut", "Hawthorn")
ROADS = ("Lane", "Street", "Road")
PROFESSIONS = (
    "baker", "botanist", "carpenter", "dentist", "geologist", "judge", "locksmith", "nurse", "painter", "pilot",
    "plumber", "tailor", "translator", "violinist",
)  # fmt: skip
LANGUAGES = ("Arvish", "Belline", "Coric", "Dunese", "Elvian", "Fennic", "Gothian", "Hurric", "Istrian", "Jadish")
PRIZES = (
    "Golden Quill", "Iron Rose", "Crystal Owl", "Copper Star", "Ivory Key", "Velvet Crown", "Paper Moon", "Stone Lily",
    "Winter Bell", "Glass Feather",
)  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
TITLES = (
    "The Silent Lake", "The Blue Door", "The Last Ferry", "The Hollow Hill", "The Salt Road", "The Burning Field",
    "The Quiet Tower", "The Seventh Bridge", "The Broken Clock", "The Green Lamp", "The Lost Garden", "The Long Night",
)  # fmt: skip
PROVINCES = ("Northmark", "Southmark", "Eastmark", "Westmark", "Midmark")
AUTHOR_FIRST = ("Anna", "Boris", "Clara", "David", "Edith", "Felix", "Greta", "Hugo", "Irma", "Jonas", "Karla", "Leon")
AUTHOR_LAST = (
    "Ashby", "Burton", "Colby", "Denham", "Easton", "Farrow", "Garland", "Hadley", "Irving", "Jessop", "Kirby",
    "Lowell",
)  # fmt: skip


def joined(parts: tuple[tuple[str, ...], tuple[str, ...]]) -> list[str]:
    """Return every beginning with every end.

    >>> joined((("Lu", "Ri"), ("tu", "mia")))
    ['Lutu', 'Lumia', 'Ritu', 'Rimia']
    """
    return [start + end for start in parts[0] for end in parts[1]]


def first_names(count: int, draws: Draws) -> list[str]:
    """Return distinct first names; there are 72."""
    return draws.shuffled(joined(FIRST), "first names")[:count]


def last_names(count: int, draws: Draws) -> list[tuple[str, str]]:
    """Return distinct pairs of last names that differ in their end alone; there are 224 pairs."""
    stems = joined(LAST)
    pairs = [(stem + one, stem + other) for one, other in ENDINGS for stem in stems]
    return draws.shuffled(pairs, "last names")[:count]


def towns(count: int, draws: Draws) -> list[str]:
    """Return distinct towns; there are 60."""
    return draws.shuffled(joined(PLACES), "towns")[:count]
