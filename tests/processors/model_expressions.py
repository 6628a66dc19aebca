"""The expressions that pipelines in tests use, compiled to Python functions of a record."""
import math
import re
from decimal import Decimal, ROUND_HALF_UP
from fractions import Fraction

from model_values import Dead, Failed, canonical

TOKEN = re.compile(r"\s*(?:(\d+\.\d+(?:[eE][+-]?\d+)?|\d+)|([A-Za-z_]\w*)|'((?:\\.|[^'\\])*)'"
                   r'|"((?:\\.|[^"\\])*)"|(\|\||&&|[=!<>]=|[-+*/%<>!?:.,()\[\]{}]))')
LEVELS = [["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">=", "in"], ["+", "-"], ["*", "/", "%"]]


def tokens_of(source):
    at, result = 0, []
    source = source.strip()
    while at < len(source):
        match = TOKEN.match(source, at)
        if not match:
            raise SystemExit(f"the model cannot read {source[at:]!r}")
        number, word, single, double, symbol = match.groups()
        if number is not None:
            result.append(("value", float(number) if re.search("[.eE]", number) else int(number)))
        elif word is not None:
            result.append(("word", word))
        elif symbol is not None:
            result.append(("symbol", symbol))
        else:
            result.append(("value", (single if single is not None else double)
                           .encode().decode("unicode_escape")))
        at = match.end()
    return result + [("end", None)]


class Compiler:
    def __init__(self, source):
        self.tokens = tokens_of(source)

    def next_is(self, *texts):
        kind, text = self.tokens[0]
        return kind in ("symbol", "word") and text in texts

    def take(self, *texts):
        if texts and not self.next_is(*texts):
            raise SystemExit(f"the model expected {texts}, found {self.tokens[0]}")
        return self.tokens.pop(0)[1]

    def whole(self):
        result = self.choice()
        if self.tokens[0][0] != "end":
            raise SystemExit(f"the model cannot read on at {self.tokens[0]}")
        return result

    def choice(self):
        condition = self.binary(0)
        if not self.next_is("?"):
            return condition
        self.take("?")
        yes = self.choice()
        self.take(":")
        no = self.choice()
        return lambda r: yes(r) if truth(condition(r)) else no(r)

    def binary(self, level):
        if level == len(LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.next_is(*LEVELS[level]):
            left = operation(self.take(), left, self.binary(level + 1))
        return left

    def unary(self):
        if self.next_is("!"):
            self.take()
            inner = self.unary()
            return lambda r: not truth(inner(r))
        if self.next_is("-"):
            self.take()
            inner = self.unary()
            return lambda r: None if inner(r) is None else -numeric(inner(r))
        return self.postfix()

    def postfix(self):
        result = self.primary()
        while self.next_is(".", "["):
            if self.take() == "[":
                index = self.choice()
                self.take("]")
                result = (lambda base, at: lambda r: reach(base(r), at(r)))(result, index)
                continue
            name = self.take()
            if self.next_is("("):
                arguments = self.arguments()
                result = call(name, [result] + arguments)
            else:
                result = (lambda base, field: lambda r: reach(base(r), field))(result, name)
        return result

    def arguments(self):
        self.take("(")
        result = []
        while not self.next_is(")"):
            result.append(self.choice())
            if self.next_is(","):
                self.take()
        self.take(")")
        return result

    def primary(self):
        kind, text = self.tokens.pop(0)
        if kind == "value":
            return lambda r: text
        if kind == "symbol" and text == "(":
            inner = self.choice()
            self.take(")")
            return inner
        if kind == "symbol" and text == "[":
            items = []
            while not self.next_is("]"):
                items.append(self.choice())
                if self.next_is(","):
                    self.take()
            self.take("]")
            return lambda r: [item(r) for item in items]
        if kind != "word":
            raise SystemExit(f"the model cannot read {text!r}")
        if self.next_is("("):
            if text == "has":
                return self.has()
            return call(text, self.arguments())
        constants = {"true": True, "false": False, "null": None}
        if text in constants:
            return lambda r: constants[text]
        return lambda r: r.variable(text)

    def has(self):
        self.take("(")
        path = [self.take()]
        while self.next_is("."):
            self.take()
            path.append(self.take())
        self.take(")")

        def test(r):
            value = r.variable(path[0])
            for name in path[1:]:
                if not isinstance(value, dict) or name not in value:
                    return False
                value = value[name]
            return True
        return test


def truth(value):
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Failed("no condition")


def numeric(value):
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Failed("no number")
    return value


def reach(base, at):
    if isinstance(base, dict):
        return base.get(at)
    if isinstance(base, list) and isinstance(at, int):
        return base[at] if 0 <= at < len(base) else None
    if base is None or not isinstance(base, (dict, list)):
        return None
    return None


def equal(a, b):
    both_numbers = all(isinstance(x, (int, float, Decimal)) and not isinstance(x, bool)
                       for x in (a, b))
    return Fraction(a) == Fraction(b) if both_numbers else canonical(a) == canonical(b)


def order(symbol, a, b):
    if a is None or b is None:
        return False
    if isinstance(a, str) and isinstance(b, str):
        a, b = a.encode(), b.encode()
    else:
        a, b = Fraction(numeric(a)), Fraction(numeric(b))
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[symbol]


def arithmetic(symbol, a, b):
    if a is None or b is None:
        return None
    if symbol == "+" and isinstance(a, str) and isinstance(b, str):
        return a + b
    a, b = numeric(a), numeric(b)
    if symbol in "/%" and b == 0:
        raise Failed("division by zero")
    if isinstance(a, int) and isinstance(b, int):
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if symbol in "/%" else 0
        result = {"+": a + b, "-": a - b, "*": a * b, "/": quotient, "%": a - quotient * b}[symbol]
        if not -2**63 <= result < 2**63:
            raise Failed("overflow")
        return result
    a, b = float(a), float(b)
    return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b,
            "%": lambda: math.fmod(a, b)}[symbol]()


def operation(symbol, left, right):
    if symbol in ("||", "&&"):
        decides = symbol == "||"

        def logic(r):
            failure = None
            for side in (left, right):
                try:
                    if truth(side(r)) == decides:
                        return decides
                except Failed as f:
                    failure = f
            if failure:
                raise failure
            return not decides
        return logic
    if symbol == "in":
        return lambda r: any(equal(left(r), item) for item in right(r) or [])
    if symbol in ("==", "!="):
        return lambda r: equal(left(r), right(r)) == (symbol == "==")
    if symbol in ("<", "<=", ">", ">="):
        return lambda r: order(symbol, left(r), right(r))
    return lambda r: arithmetic(symbol, left(r), right(r))


def make_decimal(value, precision, scale):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise Dead("TYPE_MISMATCH")
    try:
        exact = Decimal(repr(value) if isinstance(value, float) else str(value))
    except ArithmeticError:
        raise Dead("TYPE_MISMATCH") from None
    rounded = exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if abs(rounded) >= Decimal(10) ** (precision - scale):
        raise Dead("TYPE_MISMATCH")
    return rounded


FUNCTIONS = {
    "lower": lambda s: s.lower(),
    "upper": lambda s: s.upper(),
    "trim": lambda s: s.strip(),
    "size": len,
    "startsWith": lambda s, part: s.startswith(part),
    "endsWith": lambda s, part: s.endswith(part),
    "contains": lambda s, part: part in s,
}


def call(name, arguments):
    if name == "header":
        return lambda r: r.headers.get(arguments[0](r))
    if name == "coalesce":
        return lambda r: next((v for v in (a(r) for a in arguments) if v is not None), None)
    if name == "decimal":
        return lambda r: make_decimal(*(a(r) for a in arguments))
    if name not in FUNCTIONS:
        raise SystemExit(f"the model does not know the function {name}()")

    def run(r):
        values = [a(r) for a in arguments]
        if any(v is None for v in values):
            return None
        return FUNCTIONS[name](*values)
    return run


def compiled(source):
    return Compiler(source).whole()


def parts(text, separator=";"):
    """Cuts at top level: quotes and brackets count."""
    result, depth, quote, start = [], 0, None, 0
    for at, c in enumerate(text):
        if quote:
            quote = None if c == quote and text[at - 1] != "\\" else quote
        elif c in "'\"":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == separator and depth == 0:
            result.append(text[start:at].strip())
            start = at + 1
    return [p for p in result + [text[start:].strip()] if p]


def field_name(source):
    match = re.fullmatch(r"(?:\w+\.)*(\w+)", source)
    return match[1] if match else source
