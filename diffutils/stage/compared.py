"""Samples of several kinds beside real sprites: four measures, in percent of what real ones have.

    table = compare({"noise put back": samples, "none put back": others}, sprites)
    plot_compared(table, title="The plain network")
    percent, errors = lost(table, "variety")

Distance to the average, variety and sharpness are those of `measure`; colour is how far a pixel
is from grey. Samples are measured as they are shown, with what lies beyond -1 and 1 cut off.
"""

from diffutils.expect import check_images, check_kind
from diffutils.measure import distance_to_average, mean_and_error, sharpness, variety_and_error
from diffutils.stage.figures import plot_dots
from diffutils.stage.look import AVERAGE, NETWORK, OTHER

COLOURS = (NETWORK, AVERAGE, OTHER)  # of the first kind, the second, the third


def colourfulness(x):
    """How far each picture's pixels are from grey, (B,)."""
    return (x - x.mean(1, keepdim=True)).abs().mean((1, 2, 3))


def compare(kinds, real):
    """{measure: {kind: (mean, standard error)}} in percent of what real sprites have.

    kinds   {kind: samples}, (B, 3, H, W) each
    real    (N, 3, H, W) the sprites that they are held against
    """
    check_kind("compare", "kinds", kinds, dict)
    check_images("compare", "real", real)
    measures = {
        "distance to the average": lambda x: mean_and_error(distance_to_average(x, real)),
        "variety": variety_and_error,
        "sharpness": lambda x: mean_and_error(sharpness(x)),
        "colour": lambda x: mean_and_error(colourfulness(x)),
    }
    table = {}
    for name, measure in measures.items():
        whole = measure(real)[0] / 100
        found = {kind: measure(x.clamp(-1, 1)) for kind, x in kinds.items()}
        table[name] = {kind: (mean / whole, error / whole) for kind, (mean, error) in found.items()}
    return table


def lost(table, name):
    """What the second kind has less than the first, in percent; and in its standard errors."""
    (one, error), (other, other_error) = list(table[name].values())[:2]
    return one - other, (one - other) / (error**2 + other_error**2) ** 0.5


def plot_compared(table, *, title, first=NETWORK):
    """The table as dots, from 50 to 110 percent; `first` is the colour of the first kind."""
    names = next(iter(table.values()))
    colours = dict(zip(names, (first, *COLOURS[1:]), strict=False))
    return plot_dots(
        table, x_label="percent of training sprites", limits=(50, 110), title=title,
        colours=colours, marks={"training sprites": 100},
    )  # fmt: skip
