# ruff: noqa: SIM905, E501 - long lists of quoted words are harder to read
"""Make up names, people, places, prices and codes, so many that no model can know them by heart."""

from __future__ import annotations

import random

# A syllable grammar for each sound of name: starts, middles, ends, how many middles there may be.
_SOUNDS = (
    (
        "Al Be Bri Ca Cor Da El Fe Fi Ga Jo Ka La Le Lo Lu Ma Me Mi Na No O Pa Ra Re Ri Ro Sa Se So Ta Te Ti Va Ve Vi Za".split(),
        "la le li lo ma mi na ne no ra re ri ro sa so ta ti va ve vi da di".split(),
        "ra na ro lia rio no la via ne mo ra sta do lo nza tta lle vo".split(),
        2,
    ),
    (
        "Bjor Dag Eld Fjel Gun Hal Har Ing Jar Kel Lin Mar Nor Od Rag Sig Skal Sol Sten Sven Thor Tor Ulv Var Vid".split(),
        "de ga he la ma ne ve ri".split(),
        "gard holm sen berg dal vik lund strom fell hus mark ness by und".split(),
        1,
    ),
    (
        "Ash Bar Birch Black Brad Brook Cald Carl Dun East Fair Green Hart Haw Kes Lang Lock Mill New Oak Pem Red Rush Stan Thorn West Whit Win Wood".split(),
        "er en ing".split(),
        "ford ton ley wick worth field bridge well combe mere stead by low hurst den".split(),
        1,
    ),
    (
        "Ax Bly Cy Dex Evo Flux Hex Ion Jet Kin Lyn Mod Neo Nux Oro Pix Qua Ryn Syn Tek Ul Vex Vy Wyn Xen Zer".split(),
        "a e i o u y".split(),
        "ra ta vo lex nix ro dra lo ta via mo xis rix ne".split(),
        1,
    ),
    (
        "Aki Chi Ha Hi Ka Ki Ko Ma Mi Mo Na Ni No Ri Sa Shi Su Ta To Yo Yu".split(),
        "ka ki ko ma mi mo na no ra ri ro sa shi ta to ya yo".split(),
        "ra ko ma mi na no ri ro ta ya shi ki".split(),
        2,
    ),
)
_WORDS = """
    Alder Amber Anchor Arrow Atlas Aurora Beacon Birch Bluff Breeze Brook Cedar Clover Coast Copper Coral Creek Crest
    Delta Dune Echo Elm Ember Fable Falcon Fern Finch Fjord Flint Fox Gale Glen Grove Gull Harbor Haven Hazel Heron
    Hollow Indigo Iris Ivory Juniper Lake Lark Laurel Linden Lumen Maple Marsh Meadow Mesa Mist Moss North Ocean Olive
    Onyx Opal Orchard Osprey Otter Pearl Pebble Pine Prairie Quartz Raven Reed Ridge River Robin Rook Sable Sage Shore
    Sierra Slate Sparrow Spruce Stone Summit Swift Terra Thistle Thorn Tide Timber Trail Vale Vista Willow Wren Zephyr
""".split()
_FIRST = """
    Ada Amir Anya Arun Bea Carlos Chidi Clara Dana Devi Elif Emil Farah Felix Grace Hana Hugo Ines Ivo Jamal June Kai
    Kofi Lena Leo Lucia Maja Malik Mara Mei Milo Nadia Nils Noor Omar Orla Pablo Petra Priya Rafael Rosa Samir Sofia Tara
    Theo Uma Vera Wes Yara Yusuf Zoe
""".split()
PLACES = """
    Porto Lisbon Turin Milan Lyon Ghent Leeds Bristol Dublin Cork Oslo Bergen Malmo Tampere Hamburg Leipzig Vienna Graz
    Zurich Krakow Prague Riga Tallinn Athens Izmir Tunis Accra Nairobi Kigali Cape-Town Mumbai Pune Kochi Hanoi Osaka
    Kyoto Busan Taipei Perth Hobart Auckland Vancouver Halifax Montreal Boston Portland Denver Austin Tucson Savannah
    Oaxaca Bogota Cusco Lima Cordoba Recife
""".replace("Cape-Town", "Durban").split()
MONTHS = """
    January February March April May June July August September October November December
""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def invent_word(rng: random.Random) -> str:
    """Return a made-up proper word, of one of several sounds."""
    starts, middles, ends, most = rng.choice(_SOUNDS)
    body = "".join(rng.choice(middles) for _ in range(rng.randint(0, most)))
    return rng.choice(starts) + body + rng.choice(ends)


def invent_name(rng: random.Random) -> str:
    """Return a name for a thing: one word, two, with a number, or two joined."""
    kind = rng.random()
    word = invent_word(rng) if rng.random() < 0.8 else rng.choice(_WORDS)
    if kind < 0.5:
        return word
    if kind < 0.65:
        return f"{word} {invent_word(rng)}"
    if kind < 0.82:
        return f"{word} {rng.choice(_WORDS)}"
    if kind < 0.95:
        return f"{word} {invent_number(rng)}"
    return f"{word} & {invent_word(rng)}"


def invent_number(rng: random.Random) -> str:
    """Return what stands after a name: "4", "S2", "310", "Pro"."""
    return rng.choice(
        (
            str(rng.randint(2, 9)),
            f"{rng.choice('ABCEKLMRSTVX')}{rng.randint(1, 99)}",
            str(rng.randint(10, 99) * 10),
            rng.choice(("Pro", "Mini", "One", "Plus", "Lite", "Duo")),
        )
    )


def invent_person(rng: random.Random) -> str:
    """Return a person's name."""
    return f"{rng.choice(_FIRST)} {invent_word(rng)}"


def invent_company(rng: random.Random) -> str:
    """Return a company's name."""
    word = invent_word(rng)
    return rng.choice(
        (
            word,
            word,
            f"{word} {rng.choice(('Works', 'Goods', 'House', 'Labs', 'Supply', 'Studio', '& Co'))}",
        )
    )


def invent_price(rng: random.Random, low: float, high: float) -> str:
    """Return a price in the range, spread evenly over orders of magnitude: "$49", "$1,250", "$12.95"."""
    value = low * (high / low) ** rng.random()
    if value >= 1000:
        return f"${int(value / 10) * 10:,}"
    if rng.random() < 0.5:
        return f"${max(1, int(value))}"
    return f"${max(1, int(value))}.{rng.choice((99, 50, 95, 49, 90, 25, 75, 80)):02d}"


def invent_date(rng: random.Random) -> str:
    """Return a day of the year: "12 March", "March 12"."""
    month, day = rng.choice(MONTHS), rng.randint(1, 28)
    return rng.choice((f"{day} {month}", f"{month} {day}"))


def invent_code(rng: random.Random, word: str) -> str:
    """Return a code for a discount, after a word."""
    return word.split(maxsplit=1)[0].upper()[:6] + str(rng.choice((5, 10, 15, 20, 25, 30)))
