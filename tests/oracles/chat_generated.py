"""Random expressions for chat.py: what nobody thought of writing down."""

import random

ATOMS = ["s", "u", "n", "neg", "zero", "f", "fneg", "t", "no", "none", "empty", "nums", "words", "el", "nested", "mixed", "d",
         "ed", "odd", "users", "missing", "d.a", "users[0]", "users[0].name", "nums[1]", "0", "1", "2", "-1", "3.5", "'a'", "'l'",
         "'%s'", "''", "[]", "{}", "()", "(1,)", "'x' if t", "range(3)", "'{}'", "'name'", "'on'", "'é🙂'", "ws", "html", "lines"]
NAMES = ["s", "u", "n", "nums", "words", "nested", "mixed", "d", "users", "missing", "ws", "lines"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
FILTERS = ["upper", "lower", "title", "capitalize", "trim", "length", "list", "first", "last", "join", "join({})", "string",
           "int", "float", "abs", "round", "sum", "min", "max", "sort", "reverse", "unique", "items", "dictsort", "tojson",
           "tojson(indent={})", "default({})", "default({}, true)", "select", "reject", "map({})", "map(attribute={})",
           "select({})", "selectattr({})", "rejectattr({})", "replace({}, {})", "indent({})", "batch({})", "slice({})", "e",
           "safe", "wordcount", "center({})", "format({})", "truncate({})", "urlencode", "sort(attribute={})",
           "groupby({})", "attr({})", "round({})", "map('upper')", "map('length')", "select('string')", "int({})", "count"]
TESTS = ["defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean",
         "true", "false", "callable", "odd", "even", "divisibleby({})", "eq({})", "lt({})", "in({})", "sameas({})", "lower",
         "upper", "escaped", "not defined", "not string"]
METHODS = ["upper()", "lower()", "title()", "strip()", "strip({})", "lstrip({})", "rstrip({})", "split()", "split({})",
           "split({}, {})", "rsplit({}, {})", "splitlines()", "startswith({})", "endswith({})", "find({})", "rfind({}, {})",
           "count({})", "replace({}, {})", "join({})", "partition({})", "rpartition({})", "format({})", "format({}, a={})",
           "zfill({})", "center({})", "ljust({}, {})", "isdigit()", "isalpha()", "isspace()", "islower()", "istitle()",
           "swapcase()", "casefold()", "items()", "keys()", "values()", "get({})", "get({}, {})", "index({})", "copy()",
           "removeprefix({})", "expandtabs()", "append({})", "pop()", "nope", "nope()", "name", "a"]


class Expressions:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def fill(self, pattern, depth):
        while "{}" in pattern:
            pattern = pattern.replace("{}", self.expression(depth + 2), 1)
        return pattern

    def expression(self, depth=0):
        r = self.rng
        kind = r.randint(0, 11) if depth < 4 else 0
        if kind <= 2:
            return r.choice(ATOMS)
        if kind <= 4:
            left, right = self.expression(depth + 1), self.expression(depth + 1)
            text = f"{left} {r.choice(BINARY)} {right}"
            return text if r.random() < 0.5 else f"({text})"
        if kind <= 6:
            return f"({self.expression(depth + 1)}) | {self.fill(r.choice(FILTERS), depth)}"
        if kind == 7:
            return f"({self.expression(depth + 1)}) is {self.fill(r.choice(TESTS), depth)}"
        if kind <= 9:
            return f"({self.expression(depth + 1)}).{self.fill(r.choice(METHODS), depth)}"
        if kind == 10:
            part = r.choice(["{}", "{}:", ":{}", "{}:{}", "::{}", "{}:{}:{}"])
            # Of a name: a slice of constants is folded by other rules than the ones it runs by.
            return f"{r.choice(NAMES)}[{self.fill(part, depth)}]"
        return r.choice(["not {}", "-({})", "[{}, {}]", "({}, {})", "{{{}: {}}}", "{} if {} else {}"]).replace("{{", "\0").replace(
            "}}", "\1").replace("{}", "\2").replace("\0", "{").replace("\1", "}").replace("\2", r.choice(ATOMS))
