"""What `openapi.json` cannot say, for the run of Schemathesis in `run`.

The requests that these hooks leave out are tests of the project, see `tests/it/http`.
"""

from decimal import Decimal, InvalidOperation

import schemathesis


def is_exact(number):
    """A bound of deal values must have at most 28 significant digits and 28 decimal places."""
    try:
        value = Decimal(str(number)).normalize()
    except InvalidOperation:
        return True
    if not value.is_finite():
        return True
    exponent = value.as_tuple().exponent
    return -28 <= exponent and value.adjusted() < 28


def has_many_places(number):
    return isinstance(number, float) and Decimal(str(number)).as_tuple().exponent < -4


def digits(text):
    return sum(character.isdecimal() for character in text)


def are_distinct(sort):
    """A sort key must not be given twice, not even in both directions."""
    keys = sort.split(",") if isinstance(sort, str) else sort
    keys = [str(key).removeprefix("-") for key in keys]
    return len(keys) == len(set(keys))


@schemathesis.hook
def filter_case(context, case):
    query = case.query or {}
    body = case.body if isinstance(case.body, dict) else {}
    # A cursor must be one that the API has issued, and must not be combined with page.
    if "cursor" in query:
        return False
    if isinstance(query.get("sort"), (list, str)) and not are_distinct(query["sort"]):
        return False
    # A deal value has at most 4 decimal places, which a schema could only say in binary fractions.
    if has_many_places(body.get("deal_value")):
        return False
    # A phone number has at least 3 digits, in any script.
    if isinstance(phone := body.get("phone"), str) and phone.strip() and digits(phone) < 3:
        return False
    # A number without a fraction and an exponent must fit into 64 bits.
    if any(is_huge(value) for value in custom_values(body.get("custom_fields"))):
        return False
    # A query has at most 512 bytes and 32 words, a custom text 4,096 bytes, an e-mail address 254.
    if any(exceeds(value) for value in body.values()):
        return False
    bounds = [given.get(f"deal_value_{end}") for given in (query, body) for end in ("min", "max")]
    return all(is_exact(bound) for bound in bounds if isinstance(bound, (int, float)))


def custom_values(fields):
    for value in fields.values() if isinstance(fields, dict) else ():
        yield from value if isinstance(value, list) else (value,)


def is_huge(value):
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def exceeds(value):
    """Schemas count characters, where the API counts bytes or words."""
    return isinstance(value, str) and (len(value.encode("utf-8", "replace")) > 254 or len(value.split()) > 16)
