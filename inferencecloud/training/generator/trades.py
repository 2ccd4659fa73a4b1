# ruff: noqa: E501 - a list of words reads best on one line
"""What is sold, by whom to whom: the words out of which made-up products, services and events are put together.

Everything here is combined: look x stuff x part makes a feature, so each trade has thousands of them.
"""

from __future__ import annotations

from dataclasses import dataclass

Measure = tuple[
    str, str, str, tuple[int, ...]
]  # label, amount, verb phrase, numbers to choose from


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One line of business."""

    name: str
    nouns: tuple[str, ...]  # all singular
    looks: tuple[str, ...]
    stuffs: tuple[
        str, ...
    ]  # may be empty: then features have none, and nothing is made of anything
    parts: tuple[str, ...]  # an s at the end means plural
    uses: tuple[str, ...]
    audiences: tuple[str, ...]
    gains: tuple[str, ...]  # third person: "keeps the draught out"
    measures: tuple[Measure, ...]
    prices: tuple[float, float]
    goods: bool = True  # has a colour, an origin, a stock
    edible: bool = False  # eaten, or put on the skin: has no colour and no guarantee


def _split(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in " ".join(words.split()).split(",") if word.strip())


_SMALL = tuple(range(2, 13))
_TENS = tuple(range(15, 100, 5))
_HUNDREDS = tuple(range(110, 990, 10))
_WEIGHT: Measure = ("weight", "{n} g", "weighs {v}", _HUNDREDS)
_KILOS: Measure = ("weight", "{n} kg", "weighs {v}", _SMALL)
_BATTERY: Measure = ("battery", "{n} hours", "runs for {v} on one charge", _SMALL + _TENS)
_WIDTH: Measure = ("width", "{n} cm", "measures {v} across", _TENS)
_VOLUME: Measure = ("capacity", "{n} litres", "holds {v}", _SMALL + _TENS)
_SET: Measure = ("contents", "{n} pieces", "comes as a set of {v}", _SMALL)
_READY: Measure = ("time", "{n} minutes", "is ready in {v}", _SMALL + _TENS)
_WEEKS: Measure = ("length", "{n} weeks", "runs for {v}", _SMALL)
_SEATS: Measure = ("places", "{n} seats", "has {v}", _TENS)
_STEPS: Measure = ("set-up", "{n} minutes", "is set up in {v}", _SMALL)
_TEAM: Measure = ("team size", "{n} people", "works for teams of up to {v}", _TENS)
_SESSIONS: Measure = ("sessions", "{n} sessions", "takes {v}", _SMALL)

_PEOPLE = """students, new parents, night-shift nurses, commuters, weekend gardeners, freelancers, small teams, teachers,
    first-time buyers, retired couples, busy families, apartment dwellers, early risers, people who travel light"""

# fmt: off
TRADES = (
    Trade(
        name="footwear",
        nouns=_split("walking boot, trail shoe, sneaker, loafer, sandal, rain boot, slipper, work boot, court shoe, ankle boot"),
        looks=_split("padded, reinforced, hand-stitched, ribbed, removable, waterproof, double-knotted, soft, flexible, brushed, low-cut, wide"),
        stuffs=_split("suede, full-grain leather, canvas, cork, recycled rubber, merino wool, felt, nubuck, hemp, waxed cotton"),
        parts=_split("insole, tongue, heel, laces, eyelets, toe cap, lining, pull tab, sole, cuff"),
        uses=_split("wet pavements, long shifts, city walks, muddy fields, short hikes, summer evenings, standing all day, office days, school runs, gravel paths"),
        audiences=_split("dog walkers, waiters, trail runners, " + _PEOPLE),
        gains=_split("keeps toes dry, grips on wet stone, breaks in within a day, slips on without a fuss, cushions every step, dries overnight"),
        measures=(_WEIGHT, ("heel", "{n} mm", "has a heel of {v}", _TENS)),
        prices=(25, 320),
    ),
    Trade(
        name="bags",
        nouns=_split("backpack, tote, satchel, weekend bag, belt bag, laptop sleeve, duffel, messenger bag, wallet, card holder, suitcase"),
        looks=_split("hidden, padded, zipped, adjustable, woven, detachable, magnetic, quilted, roll-top, wipe-clean, wide, riveted"),
        stuffs=_split("canvas, vegetable-tanned leather, ripstop nylon, cork, waxed cotton, recycled sailcloth, denim, felt, ballistic nylon"),
        parts=_split("straps, pocket, clasp, flap, base, handles, lining, sleeve, buckle, key ring, divider"),
        uses=_split("train commutes, overnight trips, market days, carry-on travel, campus days, photo walks, gym visits, bike rides, client meetings"),
        audiences=_split("cyclists, photographers, consultants, " + _PEOPLE),
        gains=_split("stands up on its own, fits under an airline seat, keeps a laptop safe, folds flat, opens with one hand, shrugs off rain"),
        measures=(_VOLUME, _WEIGHT),
        prices=(18, 420),
    ),
    Trade(
        name="clothing",
        nouns=_split("field jacket, overshirt, scarf, cardigan, raincoat, T-shirt, beanie, apron, hoodie, linen dress, chore coat, sock set"),
        looks=_split("double-stitched, brushed, ribbed, two-way, concealed, elasticated, raglan, contrast, roomy, tailored, pre-washed, reversible"),
        stuffs=_split("organic cotton, linen, merino, corduroy, lambswool, fleece, alpaca, Tencel, flannel, recycled polyester, denim"),
        parts=_split("cuffs, collar, hood, hem, pockets, lining, buttons, zip, shoulder seams, waistband, sleeves"),
        uses=_split("windy mornings, layering, cool evenings, garden work, long flights, desk days, autumn walks, the first frost, weekend errands"),
        audiences=_split("cooks, anglers, stage crews, " + _PEOPLE),
        gains=_split("keeps the wind out, layers without bulk, gets softer with each wash, needs no ironing, packs into its own pocket, holds its shape"),
        measures=(_WEIGHT, ("sizes", "{n} sizes", "comes in {v}", _SMALL)),
        prices=(12, 380),
    ),
    Trade(
        name="furniture",
        nouns=_split("armchair, side table, bookshelf, standing desk, bench, dining table, stool, bed frame, sideboard, coat stand, daybed"),
        looks=_split("rounded, tapered, slatted, hand-oiled, stackable, adjustable, upholstered, dovetailed, soft-close, low, curved, floating"),
        stuffs=_split("oiled oak, walnut, birch plywood, powder-coated steel, rattan, ash, marble, boucle, bamboo, reclaimed pine"),
        parts=_split("legs, drawers, armrests, seat, backrest, shelves, top, frame, handles, cushion, feet"),
        uses=_split("small flats, reading corners, shared studios, narrow hallways, home offices, long dinners, children's rooms, guest rooms"),
        audiences=_split("home workers, readers, interior designers, " + _PEOPLE),
        gains=_split("fits through narrow doors, goes together without tools, hides every cable, seats one more guest, ages well, wipes clean"),
        measures=(_WIDTH, _KILOS, ("height", "{n} cm", "stands {v} tall", _TENS)),
        prices=(60, 3200),
    ),
    Trade(
        name="kitchen",
        nouns=_split("kettle, chef's knife, cutting board, teapot, frying pan, spice rack, blender, coffee grinder, mixing bowl, lunch box, bread tin"),
        looks=_split("non-slip, heat-proof, hammered, glazed, detachable, dishwasher-safe, balanced, weighted, graduated, spouted, seasoned, airtight"),
        stuffs=_split("stainless steel, stoneware, cast iron, olive wood, borosilicate glass, copper, enamel, beech, porcelain, silicone"),
        parts=_split("handle, lid, base, blade, rim, spout, knob, filter, feet, grip, hooks"),
        uses=_split("weeknight dinners, slow Sundays, packed lunches, small kitchens, open fires, batch cooking, morning tea, baking with children"),
        audiences=_split("home bakers, campers, coffee lovers, " + _PEOPLE),
        gains=_split("heats evenly, pours without a drip, stays sharp, stacks neatly, keeps soup hot, cleans with one wipe"),
        measures=(_VOLUME, _WEIGHT, ("diameter", "{n} cm", "measures {v} across", _TENS)),
        prices=(9, 420),
    ),
    Trade(
        name="outdoors",
        nouns=_split("tent, camping stove, rod case, folding chair, lantern, hammock, dry bag, paddle, bird feeder, dog lead, picnic blanket, headlamp"),
        looks=_split("folding, anodised, storm-proof, reflective, glow-in-the-dark, inflatable, telescopic, insulated, clip-on, rust-free, mesh, taped"),
        stuffs=_split("aluminium, ripstop nylon, carbon fibre, bamboo, marine canvas, titanium, recycled plastic, cedar"),
        parts=_split("poles, seams, pegs, hook, hinge, carry case, reel, loops, valve, vents, grip"),
        uses=_split("wild camping, lake weekends, beach days, early fishing, balcony evenings, canoe trips, festival nights, winter walks"),
        audiences=_split("anglers, paddlers, scout groups, " + _PEOPLE),
        gains=_split("goes up in one move, survives a gale, floats if dropped, fits in a coat pocket, keeps gear dry, leaves no trace"),
        measures=(_KILOS, _WEIGHT, ("sleeps", "{n} people", "sleeps {v}", (2, 3, 4, 5, 6))),
        prices=(8, 680),
    ),
    Trade(
        name="tools",
        nouns=_split("cordless drill, hand plane, hammer, socket set, saw, workbench, torch, tape measure, screwdriver, tool roll, axe, plant pruner"),
        looks=_split("forged, magnetic, knurled, shock-absorbing, lockable, quick-change, tempered, colour-coded, laser-cut, brushless, spring-loaded"),
        stuffs=_split("carbon steel, hickory, chrome vanadium, ash, cast iron, glass fibre, waxed canvas, brass"),
        parts=_split("head, grip, chuck, jaws, blade, case, bits, handle, scale, belt clip, guard"),
        uses=_split("flat-pack weekends, tight corners, roof work, bench work, garden fences, bike repairs, old houses, first flats"),
        audiences=_split("joiners, plumbers, hobby makers, " + _PEOPLE),
        gains=_split("cuts clean on the first stroke, reaches behind pipes, stays put on steel, stops within a second, saves the wrist, sharpens in minutes"),
        measures=(_BATTERY, _WEIGHT, _SET),
        prices=(8, 520),
    ),
    Trade(
        name="electronics",
        nouns=_split("speaker, headset, keyboard, action camera, e-reader, power bank, smart lamp, monitor, doorbell, alarm clock, turntable, tablet stand"),
        looks=_split("wireless, backlit, noise-cancelling, hot-swappable, matte, detachable, dimmable, low-power, touch, replaceable, fold-out, fast-charging"),
        stuffs=_split("aluminium, recycled plastic, walnut, braided nylon, frosted glass, knitted fabric, bamboo"),
        parts=_split("battery, keys, microphone, hinge, cable, display, dial, ear cups, stand, mute button, sensor"),
        uses=_split("video calls, kitchen radio, late-night typing, road trips, podcasts, poolside parties, shared desks, bedtime reading"),
        audiences=_split("gamers, podcasters, remote teams, " + _PEOPLE),
        gains=_split("pairs in seconds, remembers your settings, switches itself off, works without an account, fills a room, never blinks at night"),
        measures=(_BATTERY, _WEIGHT, ("range", "{n} metres", "reaches {v}", _TENS)),
        prices=(15, 1400),
    ),
    Trade(
        name="beauty",
        nouns=_split("face cream, shampoo bar, hand soap, lip balm, beard oil, bath salt, sunscreen, body scrub, candle, hair mask, eau de toilette"),
        looks=_split("unscented, refillable, cold-pressed, fragrance-free, whipped, mineral, plastic-free, travel-size, hand-poured, gentle"),
        stuffs=_split("shea butter, oat milk, sea buckthorn, rosehip oil, kaolin clay, beeswax, green tea, aloe, jojoba oil, lavender"),
        parts=_split("formula, jar, pump, scent, tin, refill, texture, bottle, wrapper"),
        uses=_split("dry winter skin, gym bags, slow evenings, sensitive skin, morning routines, long flights, sun-tired hair, gift boxes"),
        audiences=_split("swimmers, hairdressers, new fathers, " + _PEOPLE),
        gains=_split("absorbs in a minute, rinses out with cold water, leaves no film, calms tight skin, lasts a season, smells of nothing at all"),
        measures=(
            ("content", "{n} ml", "comes in a {v} size", _TENS),
            ("burn time", "{n} hours", "lasts {v}", _TENS),
        ),
        prices=(4, 140),
        edible=True,
    ),
    Trade(
        name="play and music",
        nouns=_split("board game, puzzle, ukulele, building set, hand drum, card game, harmonica, music box, kite, model kit, practice amp, train set"),
        looks=_split("hand-painted, chunky, foldable, double-sided, pre-tuned, washable, illustrated, numbered, magnetic, splinter-free, embossed"),
        stuffs=_split("maple, beech, recycled card, mahogany, cotton, brass, bamboo, cork"),
        parts=_split("pieces, strings, tuners, board, cards, box, rulebook, storage bag, frame, mallets"),
        uses=_split("rainy afternoons, family evenings, first lessons, campfires, train rides, classrooms, birthdays, quiet hours"),
        audiences=_split("beginners, grandparents, music teachers, curious children, " + _PEOPLE),
        gains=_split("takes a minute to learn, stays in tune, packs away in its box, needs no batteries, gets everybody talking, starts small and grows"),
        measures=(
            _SET,
            ("players", "{n} players", "is made for up to {v}", _SMALL),
            ("playing time", "{n} minutes", "takes {v}", _TENS),
        ),
        prices=(9, 480),
    ),
    Trade(
        name="jewellery and watches",
        nouns=_split("bracelet, signet ring, necklace, field watch, pair of earrings, brooch, pendant, dress watch, anklet, tie pin"),
        looks=_split("hand-set, brushed, hammered, adjustable, engraved, polished, twisted, matte, interchangeable, hidden, oval, faceted"),
        stuffs=_split("sterling silver, recycled gold, moonstone, freshwater pearl, titanium, brass, sapphire glass, enamel, jade, leather"),
        parts=_split("clasp, chain, strap, dial, setting, hands, links, case back, crown, beads"),
        uses=_split("every day, weddings, anniversaries, black-tie evenings, small gestures, graduation days, stacking, travelling"),
        audiences=_split("collectors, godparents, minimalists, " + _PEOPLE),
        gains=_split("keeps its shine, closes with one hand, sits flat under a cuff, suits both wrists, arrives ready to give, can be resized"),
        measures=(
            _WEIGHT,
            ("diameter", "{n} mm", "measures {v} across", _TENS),
            ("water resistance", "{n} metres", "is sealed to {v}", (30, 50, 100, 200)),
        ),
        prices=(20, 2400),
    ),
    Trade(
        name="food and drink",
        nouns=_split("granola, dark roast coffee, hot sauce, oat bar, ginger beer, sourdough loaf, olive oil, chili crisp, herbal tea, honey, fruit box, cheese board"),
        looks=_split("slow-roasted, stone-ground, small-batch, unfiltered, smoked, hand-picked, cold-brewed, raw, fermented, sugar-free, toasted"),
        stuffs=_split("hazelnut, smoked paprika, wild blueberry, cardamom, sea salt, cocoa nib, blood orange, rye, lemon verbena, buckwheat"),
        parts=_split("flakes, blend, finish, crust, notes, clusters, oil, rind, kick"),
        uses=_split("slow breakfasts, picnics, cheese plates, late lunches, camping mugs, movie nights, dinner guests, office kitchens"),
        audiences=_split("vegans, cheesemongers, runners, curious cooks, " + _PEOPLE),
        gains=_split("wakes up plain rice, keeps for weeks, pours like silk, tastes of summer, needs nothing but bread, goes with almost everything"),
        measures=(
            _WEIGHT,
            ("content", "{n} ml", "comes in a {v} bottle", _HUNDREDS),
            ("servings", "{n} servings", "makes {v}", _SMALL),
        ),
        prices=(2, 90),
        edible=True,
    ),
    Trade(
        name="software",
        nouns=_split("invoicing app, note-taking app, rota planner, translation tool, help desk, booking system, budget tracker, survey tool, photo editor, CRM, password manager"),
        looks=_split("shared, offline, weekly, read-only, one-click, encrypted, automatic, searchable, keyboard-first, colour-coded, drag-and-drop"),
        stuffs=(),
        parts=_split("reports, reminders, templates, inbox, export, calendar, audit log, dashboard, notes, backups, permissions"),
        uses=_split("month-end closing, shift swaps, client onboarding, trade fairs, grant reports, support queues, remote hiring, first launches"),
        audiences=_split("bookkeepers, clinics, workshop owners, charities, agencies, support teams, school offices, restaurant managers, freelancers, small teams"),
        gains=_split("sends the reminders for you, works without a connection, answers in plain language, imports your old files, cuts the paperwork, keeps data in house"),
        measures=(_STEPS, _TEAM, ("trial", "{n} days", "is free for {v}", (7, 14, 21, 30, 60, 90))),
        prices=(3, 190),
        goods=False,
    ),
    Trade(
        name="services",
        nouns=_split("bike repair service, laundry service, meal plan, cleaning service, pet sitting service, tax check, garden visit, moving service, watch repair, phone rental, plant subscription"),
        looks=_split("fixed, same-day, weekly, fully insured, doorstep, two-hour, contactless, personal, flexible, itemised, evening"),
        stuffs=(),
        parts=_split("pick-up, price list, time slots, quote, check-ins, courier, photo updates, call-back, delivery, billing"),
        uses=_split("busy weeks, moving day, long holidays, the end of winter, shared households, small offices, new arrivals, spring cleaning"),
        audiences=_split("landlords, cafe owners, pet owners, cyclists, " + _PEOPLE),
        gains=_split("comes to your door, charges only for what was done, calls before it arrives, brings its own tools, cancels with one message, works on Sundays"),
        measures=(
            _READY,
            ("notice", "{n} hours", "needs {v} of notice", _SMALL),
            ("area", "{n} km", "covers {v} around the city", _TENS),
        ),
        prices=(9, 480),
        goods=False,
    ),
    Trade(
        name="courses and events",
        nouns=_split("workshop, evening course, webinar, conference, summer school, tasting, book club, open studio, field trip, training day, street fair, panel talk"),
        looks=_split("hands-on, bilingual, printed, live, recorded, small-group, guided, take-home, after-hours, peer-led, free"),
        stuffs=(),
        parts=_split("exercises, handouts, Q&A, lunch, certificate, tour, slides, group work, mentoring, closing party, recordings"),
        uses=_split("a career change, better meetings, first-time managers, a new hobby, sharper pitches, safer sites, clearer writing, bigger orders"),
        audiences=_split("beginners, team leads, grant writers, amateur astronomers, product managers, baristas, translators, civil servants, retired couples, students"),
        gains=_split("starts from zero, ends with a finished piece, leaves time for questions, fits around a full-time job, pairs you with a mentor"),
        measures=(_WEEKS, _SEATS, _SESSIONS),
        prices=(5, 1800),
        goods=False,
    ),
    Trade(
        name="places",
        nouns=_split("guest house, cafe, climbing gym, coworking space, bookshop, campsite, swimming pool, dental practice, bakery, hotel, repair shop, ceramics studio"),
        looks=_split("step-free, heated, south-facing, quiet, late-night, shared, covered, sunlit, family, private, refurbished, dog-friendly"),
        stuffs=(),
        parts=_split("terrace, meeting rooms, parking, breakfast, reading corner, showers, garden, lockers, courtyard, entrance, play area"),
        uses=_split("slow weekends, team off-sites, after-work hours, school holidays, rainy days, long conversations, short stays, first visits"),
        audiences=_split("climbers, remote workers, cyclists, choir groups, book lovers, " + _PEOPLE),
        gains=_split("opens before the first train, takes walk-ins, keeps a table for one, lets you cancel until noon, stays open all winter, welcomes dogs"),
        measures=(
            ("rooms", "{n} rooms", "has {v}", _SMALL + _TENS),
            _SEATS,
            ("distance", "{n} minutes", "is {v} from the station", _SMALL),
        ),
        prices=(4, 420),
        goods=False,
    ),
    Trade(
        name="public programmes",
        nouns=_split("grant programme, vaccination drive, recycling scheme, bus line, tool library, food bank, language cafe, mentoring scheme, tree-planting day, energy advice service"),
        looks=_split("free, multilingual, walk-in, online, volunteer-run, monthly, step-by-step, printed, mobile, confidential, accessible"),
        stuffs=(),
        parts=_split("guidance, application form, drop-in hours, hotline, starter kit, map, translations, visits, waiting list, feedback sessions"),
        uses=_split("cold homes, school leavers, empty plots, rural villages, old batteries, new arrivals, safer streets, small grants"),
        audiences=_split("tenants, carers, small charities, newcomers, job seekers, young families, older residents, local shops, school leavers, volunteers"),
        gains=_split("asks for no paperwork, answers within a week, reaches every district, lends for free, pays back travel costs, starts where people are"),
        measures=(
            _WEEKS,
            ("districts", "{n} districts", "covers {v}", _SMALL),
            ("households", "{n} households", "is open to {v}", _HUNDREDS),
        ),
        prices=(2, 60),
        goods=False,
    ),
)
# fmt: on
COLOURS = _split(
    """slate blue, sage, rust, off-white, moss green, charcoal, butter yellow, navy, terracotta, plum, sand, black, teal, ivory,
    burgundy, sky blue, mustard, silver, coral, forest green, lavender, cream, copper, midnight blue, olive, rose, pale grey, cherry red,
    turquoise, ochre, white, crimson, mint, tan, indigo, peach, graphite, lemon, brick red, pearl"""
)
