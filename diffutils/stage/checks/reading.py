"""Reads a prediction as a person would: "768 numbers", "97%", "a third", "Below one", "No!".

`number_in(text, truth)` and `word_in(text, truth, question)` give what the text says in the terms
of the truth, or None where it says nothing of the kind.
"""

import re
from fractions import Fraction

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
COUNTS = {word: n for n, word in enumerate(ONES)} | {w: 10 * n for n, w in enumerate(TENS, 2)}
COUNTS |= {"none": 0, "nothing": 0, "nil": 0, "dozen": 12, "once": 1, "couple": 2,
           "twice": 2, "double": 2, "thrice": 3, "triple": 3}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "k": 1000}
PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
         "eighth": 8, "tenth": 10, "hundredth": 100, "thousandth": 1000}  # fmt: skip
PARTS |= {f"{word}s": n for word, n in PARTS.items() if word[-1] != "s" and word != "half"}

# for each choice the words that mean one side of it; a text means the side that it names first
CHOICES = (
    {"yes": "yes yeah yep yup y true sure certainly definitely of_course it_will it_can it_does "
     "think_so more", "no": "no nope n false never not impossible none cannot can't won't doesn't "
     "isn't fewer less"},
    {"less": "less fewer smaller below under little lower", "more": "more greater larger above over"
     " bigger most higher"},
    {"lower": "lower down falls fall fell less smaller decreases sinks shrinks drops below",
     "higher": "higher up rises rise rose more larger greater grows increases explodes above "
     "diverges"},
    {"above": "above over larger more higher greater bigger up",
     "below": "below under smaller less lower down", "one": "one 1 equal same unchanged"},
    {"smoother": "smoother smooth softer soft blurrier blurred blurry blander",
     "sharper": "sharper sharp crisper crisp"},
    {"noisy": "noisy noisier noise grainy grain speckled", "blurred": "blurred blurry blur smooth "
     "smoothed soft washed"},
    {"better": "better best cheaper less lower", "worse": "worse worst dearer more higher"},
    {"outline": "outline outlines shape shapes silhouette contour contours form",
     "detail": "detail details", "colour": "colour colours color colors palette"},
    {"up": "up upward upwards grows rises larger wider further farther more increases higher",
     "down": "down downward downwards shrinks falls smaller narrower nearer less decreases lower",
     "level": "level flat same equal constant unchanged"},
)  # fmt: skip


def plain(text):
    """Lower case, plain quotes and minus signs, words and numbers."""
    for odd, usual in (("’", "'"), ("−", "-"), ("–", "-"), ("×", "x"), ("·", "x"), ("½", "1/2"),
                       ("¼", "1/4"), ("¾", "3/4"), ("⅓", "1/3"), ("\u00a0", " "), ("\u202f", " "),
                       ("<", " below "), (">", " above ")):
        text = text.replace(odd, usual)
    return text.casefold().strip()


# --- numbers -------------------------------------------------------------------------------------

DIGITS = r"[+-]?(?:\d+(?:[ ,.']\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:[.,]\d+)?|[.,]\d+)(?:e[+-]?\d+)?"


def number_in(text, truth):
    """The number that a text gives, on the scale of the truth, or None."""
    text = plain(text)
    found = in_digits(text, truth)
    if found is None:
        found = in_words(text)
    if found is None:
        return None
    percent = re.search(r"%|\bper ?cent\b|\bpercent\b", text)
    return found / 100 if percent and abs(truth) <= 1.5 else found


RANGE = ("-", "to", "or", "and", "..", "...")


def in_digits(text, truth):
    """A product, a fraction, a range (its middle) or the first number in digits, or None."""
    text = text.rsplit("=", 1)[-1] if re.search(r"=.*\d", text) else text
    text = re.sub(r"(\d)\s*(?:\*\*|\^)\s*([+-]?\d+)", lambda m: f"{m[1]}^{m[2]}", text)
    if root := re.fullmatch(r"(?:sqrt|√|root(?: of)?) ?\(?(\d+(?:[.,]\d+)?)\)?", text.strip()):
        return float(root[1].replace(",", ".")) ** 0.5
    if power := re.search(r"(?:(\d+(?:[.,]\d+)?)\s*[x*]\s*)?10\^([+-]?\d+)", text):
        return float((power[1] or "1").replace(",", ".")) * 10.0 ** int(power[2])
    text = re.sub(r"(?<=\d)\s*[x*]\s*(?=\d)", " x ", text)
    numbers = list(re.finditer(rf"(?<![\w.,]){DIGITS}", text))
    if not numbers:
        return None
    first, value = numbers[0], read_digits(numbers[0][0], truth)
    for other in numbers[1:]:
        between = text[first.end() : other.start()].strip()
        end = read_digits(other[0].lstrip("+-"), truth)
        if between in ("x", "*", "by", "times"):
            value *= end
        elif between == "/" and end:
            value /= end
        elif between in RANGE or other[0][0] == "-" and not between:
            value = (value + end) / 2
        else:
            break
        first = other
    scale = re.match(r"\s*(hundred|thousand|million|k)\b", text[first.end() :])
    if re.search(r"\bminus\s*$", text[: numbers[0].start()]):
        value = -value
    return value * SCALES[scale[1]] if scale else value


def read_digits(text, truth):
    """One number; "1,234" and "1.234" may be a thousand or one and a bit: the truth's size says."""
    grouped = re.fullmatch(r"([+-]?)(\d{1,3})((?:[ ,.']\d{3})+)", text)
    if grouped:
        whole = float(grouped[1] + re.sub(r"[ ,.']", "", grouped[2] + grouped[3]))
        if len(grouped[3]) > 4 or grouped[3][0] in " '":
            return whole
        part = float(text.replace(",", "."))
        return part if grouped[2] == "0" or abs(part - truth) < abs(whole - truth) else whole
    groups = re.sub(r"[ ']|[,.](?=\d{3}[,.\d]*[,.])", "", text)
    return float(groups.replace(",", "."))


def in_words(text):
    """A number in words: two hundred and fifty, a half, three quarters, minus one, or None."""
    words = re.findall(r"[a-z]+", text)
    value, total, seen, sign, over = 0, 0, False, 1, None
    for word in words:
        if word == "minus" and not seen:
            sign = -1
        elif word in COUNTS:
            value, seen = (value * COUNTS[word] if word == "dozen" and value else
                           value + COUNTS[word]), True  # fmt: skip
        elif word in SCALES:
            value, seen = (value or 1) * SCALES[word], True
            if word != "hundred":
                total, value = total + value, 0
        elif word in PARTS:
            over, seen = PARTS[word], True
            break
        elif seen and word not in ("and", "a", "of"):
            break
    if not seen:
        return None
    if over:
        mixed = re.search(r"\band an? (?:half|third|quarter|tenth)", text)
        amount = total + value
        return sign * float(amount + Fraction(1, over) if mixed and amount else
                            Fraction(amount or 1, over))  # fmt: skip
    return sign * float(total + value)


# --- words ---------------------------------------------------------------------------------------


def word_in(text, truth, question=""):
    """The side of a choice that a text takes, as the truth's words name it, or None."""
    truth, words = plain(truth), re.findall(r"[a-z0-9']+", plain(text))
    if " ".join(words) == truth:
        return truth
    choices = [choice for choice in CHOICES if truth in choice]
    asked = set(re.findall(r"[a-z]+", plain(question)))
    choices.sort(key=lambda choice: -len(asked & choice.keys()))
    sides = choices[0] if choices else {truth: truth}
    return first_side(words, sides)


NO_SIDE = ("no_doubt", "not_sure", "i_know", "why_not")  # words that take none
DENIED = ("will_not", "can_not", "does_not", "do_not", "don't", "does_n't")
DENYING = {"not", "no", "never", "less", "neither", "isn't", "won't"}
BETWEEN = {"the", "a", "be", "get", "go", "any", "really"}


def first_side(words, sides):
    """The side named first, or the other of two where "not" stands before it."""
    meaning = {word: side for side, all_ in sides.items() for word in all_.split()}
    meaning |= {side: side for side in sides}
    text, yes_no = "_".join(words), "yes" in sides
    for phrase in NO_SIDE:
        text = text.replace(phrase, "")
    for phrase in DENIED:
        text = text.replace(phrase, "not")
    for phrase in (word for word in meaning if "_" in word):
        text = re.sub(rf"{phrase}(?!_not)", meaning[phrase], text)
    words = [word for word in text.split("_") if word]
    for k, word in enumerate(words):
        if word not in meaning:
            continue
        before = words[k - 1] if k else ""
        before = words[k - 2] if before in BETWEEN and k > 1 else before
        if yes_no or before not in DENYING:
            return meaning[word]
        others = [other for other in sides if other != meaning[word]]
        if len(others) == 1 and not any(meaning.get(w) == others[0] for w in words):
            return others[0]
    return None
