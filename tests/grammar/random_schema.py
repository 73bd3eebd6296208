"""JSON schemas made at random, of what the grammars enforce."""

import json

NAMES = ["a", "b", "ab", "name", "na\"me", "é", "x y", "", "items", "type"]
TEXTS = ["red", "green", "a\"b\\c", "é", "line\nend", "", "\u0001", "tab\t", "😀"]
PATTERNS = ["^[a-z]+$", "^[0-9]{3}-[0-9]{4}$", "ab+c?", "^(cat|dog)s?$", "^\\d{1,3}$", "^[^\"\\\\]*$", "^\\S+@\\S+$", "x|y$",
            "^$", "^.{2,4}$", "[\\w-]+", "^é+$", "\\.py$", "^(?:a|(b|c){2})*$", "^[^\\d]$", "^\\W$"]
FORMATS = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"]


class Maker:
    def __init__(self, random):
        self.random = random
        self.definitions = {}

    def root(self):
        schema = self.schema(4)
        if self.definitions:
            schema = {"$defs": self.definitions, "allOf": [schema]} if self.random.random() < 0.3 or not isinstance(schema, dict) \
                else {**schema, "$defs": self.definitions}
        return schema

    def chance(self, p):
        return self.random.random() < p

    def schema(self, depth):
        kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "true", "mixed"]
        if depth > 0:
            kinds += ["object", "object", "object", "array", "array", "anyOf", "allOf", "ref", "oneOf"]
        return getattr(self, "make_" + self.random.choice(kinds))(depth)

    def make_true(self, _):
        return self.random.choice([True, {}, {"title": "anything"}])

    def make_null(self, _):
        return {"type": "null"}

    def make_boolean(self, _):
        return {"type": "boolean"}

    def make_mixed(self, _):
        kinds = ["null", "boolean", "integer", "number", "string", "array", "object"]
        return {"type": self.random.sample(kinds, self.random.randint(1, 3))}

    def value(self, depth=2):
        kind = self.random.randrange(7 if depth > 0 else 5)
        if kind == 0:
            return self.random.choice(TEXTS)
        if kind == 1:
            return self.random.randint(-10**self.random.randint(0, 15), 10**self.random.randint(0, 15))
        if kind == 2:
            return self.random.choice([0.5, -1.25, 1e30, 3.0, 1e-9])
        if kind == 3:
            return self.random.choice([True, False])
        if kind == 4:
            return None
        if kind == 5:
            return [self.value(depth - 1) for _ in range(self.random.randint(0, 3))]
        return {self.random.choice(NAMES): self.value(depth - 1) for _ in range(self.random.randint(0, 3))}

    def make_const(self, _):
        return {"const": self.value()}

    def make_enum(self, _):
        schema = {"enum": [self.value() for _ in range(self.random.randint(1, 5))]}
        if self.chance(0.3):
            schema["type"] = self.random.choice(["string", "integer", "number", ["string", "null"]])
        if self.chance(0.2):
            schema["minLength"] = 2
        return schema

    def make_string(self, _):
        schema = {"type": "string"}
        if self.chance(0.3):
            schema["minLength"] = self.random.randint(0, 6)
        if self.chance(0.3):
            schema["maxLength"] = self.random.randint(2, 40)
        if self.chance(0.4):
            schema["pattern"] = self.random.choice(PATTERNS)
        elif self.chance(0.2):
            schema["format"] = self.random.choice(FORMATS)
        return schema

    def bounds(self, values):
        schema = {}
        low, high = sorted((values(), values()))
        if self.chance(0.5):
            schema[self.random.choice(["minimum", "exclusiveMinimum"])] = low
        if self.chance(0.5):
            schema[self.random.choice(["maximum", "exclusiveMaximum"])] = high
        return schema

    def make_integer(self, _):
        schema = {"type": "integer"}
        if self.chance(0.6):
            schema |= self.bounds(lambda: self.random.randint(-10**self.random.randint(0, 17), 10**self.random.randint(0, 17)))
        if self.chance(0.1):
            schema |= self.bounds(lambda: self.random.uniform(-20, 20))
        if self.chance(0.2):
            schema["multipleOf"] = self.random.choice([1, 2, 3, 7, 10, 64])
        return schema

    def make_number(self, _):
        schema = {"type": "number"}
        if self.chance(0.7):
            schema |= self.bounds(lambda: self.random.choice([0, 1, -1, 0.5, -0.25, 100, -273.15, 3.14159, 1e6,
                                                              round(self.random.uniform(-50, 50), self.random.randint(0, 6))]))
        return schema

    def make_array(self, depth):
        schema = {"type": "array"}
        if self.chance(0.8):
            schema["items"] = self.schema(depth - 1)
        if self.chance(0.25):
            schema["prefixItems"] = [self.schema(depth - 1) for _ in range(self.random.randint(1, 3))]
        if self.chance(0.4):
            schema["minItems"] = self.random.randint(0, 3)
        if self.chance(0.5):
            schema["maxItems"] = schema.get("minItems", 0) + self.random.randint(0, 3)
        return schema

    def make_object(self, depth):
        names = self.random.sample(NAMES, self.random.randint(0, 5))
        schema = {"type": "object", "properties": {name: self.schema(depth - 1) for name in names}}
        if self.chance(0.7):
            schema["required"] = self.random.sample(names, self.random.randint(0, len(names)))
            if self.chance(0.1):
                schema["required"].append("unnamed")
        if self.chance(0.7):
            schema["additionalProperties"] = False if self.chance(0.6) else self.schema(depth - 1)
        if self.chance(0.15):
            schema["patternProperties"] = {self.random.choice(["^x", "^[a-c]$", "_id$"]): self.schema(depth - 1)
                                           for _ in range(self.random.randint(1, 2))}
        if self.chance(0.1):
            schema["propertyNames"] = self.random.choice([{"pattern": "^[a-z_]+$"}, {"enum": ["a", "b", "name"]}])
        if self.chance(0.15):
            schema["minProperties"] = self.random.randint(0, 3)
        if self.chance(0.15):
            schema["maxProperties"] = self.random.randint(1, 5)
        return schema

    def make_anyOf(self, depth):
        schema = {"anyOf": [self.schema(depth - 1) for _ in range(self.random.randint(1, 3))]}
        if self.chance(0.2):
            schema["type"] = self.random.choice(["string", "object", ["integer", "null"]])
        return schema

    def make_oneOf(self, depth):
        if self.chance(0.5):
            return {"oneOf": [{"type": "string"}, {"type": "null"}, self.make_object(depth)]}
        return {"oneOf": [{"type": "object", "properties": {"kind": {"const": kind}, "v": self.schema(depth - 1)},
                           "required": ["kind"]} for kind in ("cat", "dog")]}

    def make_allOf(self, depth):
        one = self.schema(depth - 1)
        other = self.random.choice([lambda: {"minLength": 1}, lambda: {"maximum": 50}, lambda: self.make_object(depth),
                                    lambda: {"minItems": 1}, lambda: {"required": ["a"]}])()
        return {"allOf": [one, other]}

    def make_ref(self, depth):
        if len(self.definitions) < 3 and self.chance(0.7):
            name = f"d{len(self.definitions)}"
            self.definitions[name] = True
            self.definitions[name] = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]},
                                                                        "v": self.schema(depth - 1)}, "required": ["next"]}
            return {"$ref": f"#/$defs/{name}"}
        if self.definitions:
            return {"$ref": f"#/$defs/{self.random.choice(sorted(self.definitions))}", "description": "again"}
        return {"$ref": "#"} if self.chance(0.1) else {"type": "object", "additionalProperties": {"$ref": "#"}}


def make(random):
    schema = Maker(random).root()
    json.dumps(schema)
    return schema
