"""Which form of a PO message with a plural is for which number, by the catalogue's own ``Plural-Forms``.

The header's expression is in a small part of C, which the standard library's `gettext.c2py` parses and refuses all else. A
singular message gets the form for 1, a plural one the form of most numbers from 2 to 100, and one that names a number by a
word the form for that number; where a form is also for other small numbers, or counts with a placeholder that the message
lacks, it is no translation of a message that names its number.
"""

from __future__ import annotations

import gettext
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

FORMS = re.compile(r"^\s*nplurals\s*=\s*([0-9]{1,2})\s*;\s*plural\s*=\s*([^;]+?)\s*;?\s*$", re.DOTALL)

DEFAULTS = {
    "0": "ja ko zh vi th id ms lo km my bo dz jv",
    "n!=1": "en de nl sv da no nb nn fo es pt it el bg fi et he eo hu tr ca eu gl af sq az bn hi ta te ml mr ka kk ky mn sw",
    "n>1": "fr pt-BR oc br fil tl wa ti",
    "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2": "ru uk be sr hr bs",
    "n==1 ? 0 : n>=2 && n<=4 ? 1 : 2": "cs sk",
    "n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2": "pl",
    "n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) ? 1 : 2": "lt",
    "n%10==1 && n%100!=11 ? 0 : n!=0 ? 1 : 2": "lv",
    "n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3": "sl",
    "n==1 ? 0 : n==0 || (n%100>0 && n%100<20) ? 1 : 2": "ro",
    "n==1 ? 0 : n==2 ? 1 : 2": "ga",
    "n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5": "ar",
    "n%10!=1 || n%100==11": "is mk",
}
"""The forms of languages as the manual of GNU gettext lists them (Arabic's and those of languages like English, as its
tools do), for catalogues whose header doesn't say."""

WORDS = {
    word: number
    for number, words in enumerate(
        ("one single", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=1
    )
    for word in words.split()
}
"""English words that name a number."""

SMALL = range(1, 21)
"""Numbers that a form is likely to name by a word."""

GENERAL = range(2, 101)

_PLACEHOLDER = re.compile(
    r"%(?:\d+\$)?[-+#0']*\d*(?:\.\d+)?(?:hh|h|ll|l|q|j|z|t|L)?[diouxXeEfgGcspn]|%\([\w.-]+\)[-#0 +]*\d*[a-zA-Z]"
    r"|%\{[\w.-]+\}|%L?[1-9n]|\{\{?[\w.:,#-]*\}?\}|\$\{?\w+\}?|#\{\w+\}"
)
_NUMBER = re.compile(r"[0-9]+")
_WORD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class PluralForms:
    """A catalogue's plural forms.

    Attributes:
        count: how many forms there are.
        form_of: the form for a number.
    """

    count: int
    form_of: Callable[[int], int]

    @property
    def general(self) -> int:
        """The number that stands for many: one of the form that most numbers from 2 to 100 have."""
        forms = Counter(self.form_of(number) for number in GENERAL)
        most = max(forms, key=lambda form: (forms[form], form))
        return next(number for number in reversed(GENERAL) if self.form_of(number) == most)


def read_plural_forms(header: str) -> PluralForms:
    """The forms that a header says.

    Raises:
        ValueError: if it isn't ``nplurals=…; plural=…;``, if the expression is none, or if its value is no form.
    """
    match = FORMS.match(header)
    if match is None:
        raise ValueError(f"found {header[:100]!r}, expected 'nplurals=2; plural=(n != 1);' or the like")
    return _checked(int(match[1]), match[2])


def _checked(count: int, expression: str) -> PluralForms:
    form_of = gettext.c2py(expression)
    try:
        values = {form_of(number) for number in range(201)}
    except (ArithmeticError, RecursionError) as error:
        raise ValueError(f"its plural expression can't be evaluated ({error})") from None
    if wrong := sorted(value for value in values if not 0 <= value < count):
        raise ValueError(f"its plural expression gives the form {wrong[0]}, but nplurals is {count}")
    return PluralForms(count, form_of)


def usual_plural_forms(language: str) -> PluralForms | None:
    """The forms that catalogues of a language have as a rule; None if that isn't known here."""
    for code in (language, language.partition("-")[0]):
        for expression, languages in DEFAULTS.items():
            if code in languages.split():
                form_of = gettext.c2py(expression)
                return PluralForms(1 + max(form_of(number) for number in range(201)), form_of)
    return None


def choose_form(message: str, singular: bool, forms: dict[int, str], plural: PluralForms) -> tuple[str, str | None]:
    """The form that translates a message.

    Args:
        message: the singular or the plural message.
        singular: whether the message is the singular one.
        forms: the translations by number of the form.
        plural: the catalogue's forms.

    Returns:
        The form, and why it is none of this message, or None.
    """
    if sorted(forms) != list(range(plural.count)):
        return "", f"{len(forms)} forms, but nplurals is {plural.count}"
    placeholders = _placeholders(message)
    named = None if placeholders else _named_number(message)
    if singular and named != 1:
        named = None
    number = named if named is not None else 1 if singular else plural.general
    index = plural.form_of(number)
    form = forms[index]
    if not placeholders and (more := _placeholders(form)):
        return form, f"the form counts with {sorted(more)[0]}, the message doesn't"
    others = [other for other in SMALL if other != number and plural.form_of(other) == index]
    if named is not None and others and str(named) not in _NUMBER.findall(form):
        return form, f"the message names {named}, the form is also for {others[0]}"
    return form, None


def _placeholders(text: str) -> set[str]:
    return set(_PLACEHOLDER.findall(text.replace("%%", "")))


def _named_number(message: str) -> int | None:
    """The number that a message names by a word; None if it is none, or several."""
    numbers = {WORDS[word] for word in map(str.lower, _WORD.findall(message)) if word in WORDS}
    return numbers.pop() if len(numbers) == 1 else None
