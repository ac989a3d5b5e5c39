"""Small templates for check_templates.py: written ones for every corner of the language, and a generator of random ones."""
import random

CONTEXT = {
    "n": 7, "zero": 0, "neg": -3, "f": 2.5, "big": 9007199254740993, "t": True, "no": False, "nil": None, "half": 0.1,
    "s": "Hello World", "e": "", "u": "Grüße ÄÖÜ straße ǆ 世界 👩‍💻 Σίσυφος ΟΔΟΣ", "ws": " \t pad\u00a0\n", "num": "42", "flt": "3.75",
    "multi": "one\ntwo\r\nthree\x0bfour\u2028five\n\n", "html": "<a href=\"x\">'&'</a>", "csv": "a,b,,c,", "q": "it's \"q\" \\ \x00\x07\x7f\u200b",
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "mixed": [1, "a", None, 2.5, [1], {"k": 1}], "ll": [[1, 2], [3, 4], [5]], "el": [],
    "d": {"b": 2, "a": 1, "C": 3}, "ed": {}, "nested": {"x": {"y": [10, {"z": "deep"}]}, "items": "shadow", "1": "one"},
    "users": [{"name": "Zoe", "age": 30, "city": "Rome"}, {"name": "adam", "age": 25, "city": "rome"}, {"name": "Bob", "age": 30},
              {"name": "eve", "age": None, "city": "Paris"}],
    "fl": [1.0, 2.5, -0.0, 1e16, 1e-5, 123456789.123, 1e100, 0.1], "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}],
}

# ---- random expressions ------------------------------------------------------------------------------------------------

NUMBERS = ["n", "zero", "neg", "f", "t", "half", "0", "1", "2", "3", "-1", "10", "1.5", "0x1F", "1_000", "2e3", "l[0]", "l|length", "fl[3]"]
STRINGS = ["s", "e", "u", "ws", "num", "flt", "multi", "html", "csv", "q", "'abc'", '"x\\ty"', "'a' 'b'", "'%s-%s'", "'{}:{}'", "' '", "'l'", "'o'", "','",
           "'Ab Cd-ef'", "'\\u00e9\\x41'", "nested.x.y[1].z", "ls[1]"]
LISTS = ["l", "ls", "mixed", "ll", "el", "users", "fl", "[1, 2, 2, 1]", "['x', 'X', 'y']", "(1, 'a')", "range(5)", "range(5, 0, -2)", "[]", "()", "d.keys()",
         "d.values()|list", "d.items()", "s.split()", "csv.split(',')", "multi.splitlines()"]
DICTS = ["d", "ed", "nested", "users[0]", "{'k': 1, 'j': [1, 2]}", "{1: 'a', 'b': none}", "dict(a=1, b='x')", "nested.x"]
ANY = ["nil", "undef", "t", "no", "none", "true", "users[9]", "d.missing", "nested.x.y"]
UNARY_FILTERS = ["abs", "capitalize", "count", "length", "lower", "upper", "title", "trim", "first", "last", "list", "string", "int", "float", "round", "sort", "reverse",
                 "unique", "sum", "min", "max", "join", "e", "escape", "safe", "items", "dictsort", "wordcount", "tojson", "default", "d", "indent", "truncate(9)",
                 "forceescape", "urlencode", "filesizeformat", "center(20)", "batch(2)", "slice(2)", "format", "map('upper')", "map('int')", "map(attribute='name')",
                 "map('length')", "select", "reject", "select('odd')", "select('string')", "reject('none')", "selectattr('age')", "selectattr('age', 'gt', 26)",
                 "rejectattr('city')", "rejectattr('city', 'defined')", "groupby('age')", "groupby('city', default='?')", "sort(attribute='name')", "sort(reverse=true)",
                 "sort(case_sensitive=true)", "sort(attribute='age,name')", "join(', ')", "join('|', attribute='name')", "replace('a', 'b')", "replace('l', 'L', 1)",
                 "replace('', '-')", "default('D')", "default('D', true)", "d('x')", "tojson(indent=2)", "tojson(ensure_ascii=true)", "tojson(sort_keys=true)",
                 "tojson(separators=(',', ':'))", "round(1)", "round(1, 'ceil')", "round(0, 'floor')", "round(-1)", "int(5)", "int(base=16)", "float(1.5)", "indent(2, true)",
                 "indent('> ', first=true, blank=true)", "truncate(8, true)", "truncate(10, false, '…', 0)", "batch(3, 'x')", "slice(3, 'x')", "trim('Hd')", "attr('upper')",
                 "attr('name')", "dictsort(false, 'value')", "dictsort(reverse=true)", "unique(attribute='age')", "sum(attribute='age')", "sum(start=10)",
                 "min(attribute='name')", "max(attribute='age')", "map('default', 'z')", "map(attribute='city', default='none')", "map('replace', 'a', 'b')", "last|upper",
                 "first|string", "format(1, 2)", "format('a', 2.5)", "center(3)", "nosuch", "tojson|length"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence", "true", "false", "odd", "even", "divisibleby 3",
         "callable", "lower", "upper", "eq 1", "equalto('a')", "ne none", "gt 2", "ge 2", "lt 'm'", "le 3", "in [1, 2, 'a']", "in 'abc'", "sameas true", "sameas none", "escaped",
         "filter", "test", "not none", "not defined", "not in [1]", "lessthan 3", "== 3", "nosuchtest"]
STRING_METHODS = ["upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", "lstrip()", "rstrip()", "strip('Hd ')", "split()", "split('o')",
                  "split(',', 1)", "split(None, 1)", "rsplit(' ', 1)", "rsplit(None, 1)", "rsplit('l')", "splitlines()", "splitlines(true)", "startswith('H')",
                  "startswith(('x', 'H'))", "endswith('d')", "endswith(('d', 'e'))", "startswith('e', 1)", "find('o')", "find('o', 5)", "find('')", "rfind('o')", "index('o')",
                  "rindex('l')", "count('l')", "count('')", "count('l', 3, 9)", "replace('l', 'LL')", "replace('l', '', 1)", "join(['a', 'b'])", "join('xyz')", "join([1])",
                  "center(20)", "center(21, '*')", "ljust(14, '.')", "rjust(14)", "zfill(15)", "isdigit()", "isalpha()", "isalnum()", "isspace()", "islower()", "isupper()",
                  "istitle()", "isdecimal()", "isnumeric()", "isascii()", "isidentifier()", "isprintable()", "removeprefix('He')", "removesuffix('ld')", "partition('o')",
                  "rpartition('o')", "partition('zz')", "expandtabs()", "expandtabs(4)", "format(1, 'b')", "format(n, s, k=f)", "format(*l)", "encode", "nosuch()", "strip(chars=' ')",
                  "__len__()", "split(sep='o', maxsplit=1)", "find('o', -5, -1)", "rfind('l', 0, 5)", "title().swapcase()", "upper()[::2]"]
LIST_METHODS = ["index(1)", "count(1)", "append(1)", "pop()", "copy()", "index('zz')", "count('a')", "sort()", "reverse()", "__class__", "foo", "extend([1])", "insert(0, 1)", "clear()"]
DICT_METHODS = ["items()", "keys()", "values()", "get('a')", "get('zz')", "get('zz', 5)", "get('a', default=1)", "update({})", "pop('a')", "copy()", "setdefault('a', 1)",
                "items()|list", "keys()|list|join", "values()|sum", "get(1)", "clear()", "fromkeys(['q'], 1)", "a", "x.y", "items"]
FORMATS = ["'%d' % n", "'%5.2f|%-6s|%+d' % (f, s, n)", "'%r %s' % (q, nil)", "'%x %X %o %c' % (255, 255, 8, 65)", "'%05d' % neg", "'%(a)s-%(b)03d' % d", "'%e %g %G' % (f, big, half)",
           "'%s' % l", "'%s' % (l,)", "'%%' % ()", "'%s %s' % s", "'%*d' % (5, n)", "'%.3s|%10.2s|' % (s, s)", "'%#x %#o' % (255, 8)", "'% d' % n", "'%i' % f", "'%d' % num",
           "'{0}{1}{0}'.format(n, s)", "'{:>8}|{:<8}|{:^8}|'.format(n, num, f)", "'{:08.3f}'.format(f)", "'{:,}'.format(big)", "'{:+}'.format(n)", "'{:x}{:b}{:o}{:#x}'.format(n, n, n, 255)",
           "'{!r:>12}'.format(num)", "'{a[0]}-{b.x}'.format(a=l, b=nested)", "'{:.2%}'.format(half)", "'{:e}'.format(f)", "'{:*^11}'.format('mid')", "'{{}}{}'.format(1)", "'{}'.format()",
           "'{0}{}'.format(1)", "'{:d}'.format(f)", "'{:s}'.format(n)", "'{:.3}'.format(s)", "'{:g}'.format(big)", "'{:_}'.format(big)", "'{:>{w}}'.format(s, w=15)", "'{:c}'.format(65)",
           "'{:.3}'.format(f)", "'{:n}'.format(n)", "'{:5}'.format(t)", "'{}'.format(nil)", "'{:5}'.format(nil)", "'{a.b}'.format(a=d)", "'{l[1]} {d[a]}'.format(l=l, d=d)"]


class Generator:
    def __init__(self, rng):
        self.rng = rng

    def pick(self, *lists):
        return self.rng.choice(self.rng.choice(lists))

    def number(self, depth):
        r = self.rng.random()
        if depth <= 0 or r < 0.35:
            return self.rng.choice(NUMBERS)
        if r < 0.4:  # jinja2 writes -2 ** n into Python as it stands, where it means -(2 ** n): no negative constants here
            return "(%s ** %s)" % (self.rng.choice(["n", "f", "neg", "2", "1.5", "zero"]), self.number(depth - 1))
        if r < 0.75:
            return "(%s %s %s)" % (self.number(depth - 1), self.rng.choice(["+", "-", "*", "/", "//", "%", "+", "-"]), self.number(depth - 1))
        if r < 0.82:
            return "-" + self.number(depth - 1)
        if r < 0.9:
            return "%s|%s" % (self.any(depth - 1), self.rng.choice(["int", "float", "abs", "round", "length", "sum", "round(2)"]))
        return "(%s if %s else %s)" % (self.number(depth - 1), self.condition(depth - 1), self.number(depth - 1))

    def string(self, depth):
        r = self.rng.random()
        if depth <= 0 or r < 0.3:
            return self.rng.choice(STRINGS)
        if r < 0.45:
            return "%s.%s" % (self.rng.choice(STRINGS), self.rng.choice(STRING_METHODS))
        if r < 0.55:
            return "(%s ~ %s)" % (self.any(depth - 1), self.any(depth - 1))
        if r < 0.62:
            return "(%s + %s)" % (self.string(depth - 1), self.string(depth - 1))
        if r < 0.7:
            return "%s[%s]" % (self.rng.choice(STRINGS), self.slice())
        if r < 0.76:
            return self.rng.choice(FORMATS)
        if r < 0.8:
            return "(%s * %s)" % (self.rng.choice(STRINGS), self.rng.choice(["2", "0", "-1", "n", "t"]))
        return "%s|%s" % (self.any(depth - 1), self.rng.choice(UNARY_FILTERS))

    def slice(self):
        part = lambda: self.rng.choice(["", "", "1", "2", "-1", "-2", "0", "100", "-100", "n", "none"])
        r = self.rng.random()
        if r < 0.25:
            return self.rng.choice(["0", "-1", "1", "99", "'a'", "n", "t", "1.5", "none"])
        if r < 0.7:
            return "%s:%s" % (part(), part())
        return "%s:%s:%s" % (part(), part(), self.rng.choice(["1", "2", "-1", "-2", "", "0"]))

    def sequence(self, depth):
        r = self.rng.random()
        if depth <= 0 or r < 0.35:
            return self.rng.choice(LISTS)
        if r < 0.5:
            return "%s[%s]" % (self.rng.choice(LISTS), self.slice())
        if r < 0.58:
            return "(%s + %s)" % (self.rng.choice(LISTS), self.rng.choice(LISTS))
        if r < 0.65:
            return "%s.%s" % (self.rng.choice(LISTS), self.rng.choice(LIST_METHODS))
        if r < 0.72:
            return "[%s, %s]" % (self.any(depth - 1), self.any(depth - 1))
        return "%s|%s" % (self.sequence(depth - 1), self.rng.choice(UNARY_FILTERS))

    def mapping(self, depth):
        r = self.rng.random()
        if depth <= 0 or r < 0.4:
            return self.rng.choice(DICTS)
        if r < 0.7:
            return "%s.%s" % (self.rng.choice(DICTS), self.rng.choice(DICT_METHODS))
        if r < 0.85:
            return "%s['%s']" % (self.rng.choice(DICTS), self.rng.choice(["a", "b", "x", "items", "keys", "name", "zz"]))
        return "{'k%d': %s, %s: %s}" % (self.rng.randint(0, 9), self.any(depth - 1), self.pick(NUMBERS, ["'a'", "none", "(1, 2)", "t"]), self.any(depth - 1))

    def condition(self, depth):
        r = self.rng.random()
        if depth <= 0 or r < 0.1:
            return self.any(0)
        if r < 0.4:
            return "%s is %s" % (self.any(depth - 1), self.rng.choice(TESTS))
        if r < 0.65:
            return "(%s %s %s)" % (self.any(depth - 1), self.rng.choice(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), self.any(depth - 1))
        if r < 0.75:
            return "(%s < %s <= %s)" % (self.number(depth - 1), self.number(depth - 1), self.number(depth - 1))
        if r < 0.9:
            return "(%s %s %s)" % (self.any(depth - 1), self.rng.choice(["and", "or"]), self.condition(depth - 1))
        return "not %s" % self.condition(depth - 1)

    def any(self, depth):
        make = self.rng.choice([self.number, self.number, self.string, self.string, self.string, self.sequence, self.sequence, self.mapping, self.condition, None])
        if make is None:
            return self.rng.choice(ANY)
        return make(depth)

    def statement(self, depth):
        g, r = self, self.rng.random()
        sign = lambda: self.rng.choice(["", "", "", "-", "-", "+"])
        tag = lambda body: "{%%%s %s %s%%}" % (sign(), body, sign())
        space = lambda: self.rng.choice(["", " ", "\n", "  \n ", "x", " y\n"])
        if depth <= 0 or r < 0.3:
            return space() + "{{%s %s %s}}" % (self.rng.choice(["", "-"]), g.any(2), self.rng.choice(["", "-"])) + space()
        inner = lambda: "".join(g.statement(depth - 1) for _ in range(self.rng.randint(1, 2)))
        name = self.rng.choice(["a", "b", "x", "s", "n", "loopvar"])
        if r < 0.42:
            return space() + tag("if " + g.condition(2)) + inner() + (tag("elif " + g.condition(1)) + inner() if self.rng.random() < 0.3 else "") + \
                (tag("else") + inner() if self.rng.random() < 0.5 else "") + tag("endif") + space()
        if r < 0.62:
            target = self.rng.choice(["i", "i", "i", "i, j", "a"])
            loop = "{{ %s }}" % self.rng.choice(["loop.index", "loop.index0", "loop.first", "loop.last", "loop.length", "loop.revindex", "loop.revindex0", "loop.previtem", "loop.nextitem",
                                                 "loop.cycle('p', 'q')", "loop.changed(i)", "loop.depth", "loop", "i", "a", "loop.nosuch", "i ~ x"])
            test = " if " + self.rng.choice(["i", "i is string", "i is odd", "loop.index", "a is defined"]) if self.rng.random() < 0.2 else ""
            control = tag("if i %s %s" % (self.rng.choice(["==", "is"]), self.rng.choice(["1", "string"]))) + tag(self.rng.choice(["break", "continue"])) + tag("endif") \
                if self.rng.random() < 0.25 else ""
            return space() + tag("for %s in %s%s" % (target, g.sequence(1), test)) + control + loop + inner() + \
                (tag("else") + inner() if self.rng.random() < 0.3 else "") + tag("endfor") + "{{ i }}" + space()
        if r < 0.74:
            return space() + tag("set %s = %s" % (name, g.any(2))) + space()
        if r < 0.78:
            return tag("set %s" % name + self.rng.choice(["", " | upper", " | trim"])) + inner() + tag("endset") + "{{ %s }}" % name
        if r < 0.84:
            return tag("macro m(%s)" % self.rng.choice(["", "p", "p, q=2", "p='d', q=p"])) + "{{ p }}{{ q }}{{ x }}" + self.rng.choice(["", "{{ varargs }}", "{{ kwargs }}", "{{ caller }}"]) + inner() + \
                tag("endmacro") + "[{{ m(%s) }}]" % self.rng.choice(["", "1", "1, 2", "p=3", "1, q=2", "1, 2, 3", "z=1", "*l", "**d"])
        if r < 0.88:
            return tag("set ns = namespace(c=0%s)" % self.rng.choice(["", ", k=s"])) + tag("for i in %s" % g.sequence(1)) + tag("set ns.c = ns.c + 1") + inner() + tag("endfor") + "{{ ns.c }}{{ ns.k }}"
        if r < 0.91:
            return tag("filter %s" % self.rng.choice(["upper", "trim", "replace('a', 'b')", "indent(2)", "length"])) + inner() + tag("endfilter")
        if r < 0.94:
            return tag("with %s = %s" % (name, g.any(1))) + inner() + tag("endwith") + "{{ %s }}" % name
        if r < 0.96:
            return tag("macro w(p)") + "<{{ caller(%s) }}>" % self.rng.choice(["", "p", "1, 2"]) + tag("endmacro") + tag("call%s w(1)" % self.rng.choice(["", "(z)", "(z=9)"])) + "{{ z }}" + inner() + tag("endcall")
        if r < 0.98:
            return space() + "{#" + sign() + " comment {{ x }} " + self.rng.choice(["", "-", "+"]) + "#}" + space() + "{%" + sign() + " raw %} {{ raw }} {% x " + "{%" + sign() + " endraw " + sign() + "%}" + space()
        return tag("generation") + inner() + tag("endgeneration")

    def template(self):
        return "".join(self.statement(2) for _ in range(self.rng.randint(1, 4)))


def random_templates(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        generator = Generator(rng)
        if rng.random() < 0.6:
            yield "{{ %s }}" % generator.any(3)
        else:
            yield generator.template()


# ---- every builtin on every value ------------------------------------------------------------------------------------------

def exhaustive():
    values = list(dict.fromkeys(NUMBERS + STRINGS + LISTS + DICTS + ANY))
    for value in values:
        for name in UNARY_FILTERS:
            yield "{{ (%s)|%s }}" % (value, name)
            yield "{{ (%s)|%s|list }}" % (value, name)
        for name in TESTS:
            yield "{{ (%s) is %s }}" % (value, name)
        # jinja2 folds constants: a slice of a literal number or dict is undefined there, of any other it is an error.
        for part in [] if value[0] in "-0123456789{" or value in ("no", "none", "true", "t", "nil") else ["0", "-1", "'a'", "1:", ":-1", "::-1", "::2", "1:3", "-2:", "none", "t", "1.5", "x"]:
            yield "{{ (%s)[%s] }}" % (value, part)
        for method in LIST_METHODS + DICT_METHODS:
            yield "{{ (%s).%s }}" % (value, method)
        for other in values[::3]:
            for op in ["+", "*", "==", "<", "in", "~", "%", "-", "//", "and", "or"]:
                yield "{{ (%s) %s (%s) }}" % (value, op, other)
    for value in STRINGS + ["html|e", "html|safe"]:
        for method in STRING_METHODS:
            yield "{{ (%s).%s }}" % (value, method)
    for text in FORMATS:
        yield "{{ %s }}" % text


# ---- written ones: syntax, whitespace, scopes ---------------------------------------------------------------------------------

WRITTEN = [
    # whitespace
    "a\n{% if t %}\nb\n{% endif %}\nc\n", "  {% if t %}  \n  b  \n  {% endif %}  \n", "a  {%- if t -%}  b  {%- endif -%}  c", "x {{- s -}} y", " {%+ if t +%} \n b {%+ endif %}",
    "{# c #}\nx", "a {#- c -#} b", "a\n  {# c #}\n  b", "  {# c +#}\nb", "\n\n{{ n }}\n\n", "a{% raw %} {{ x }} {% endraw %}b", "{%- raw -%}  {{ x }}  {%- endraw -%} b",
    "a\n  {% raw %}\n {% x %}\n  {% endraw %}\n b", "{% raw +%}x{% endraw %}", "a\r\nb\rc\n", "{% set x = 'a\r\nb' %}{{ x|length }}", "  {{ n }}  ", "\t{% if t %}\tx{% endif %}",
    "x\u00a0{%- if t %}y{% endif %}", "{% if t -%}\u2003\n y{% endif %}", "{{ '{{' }}{{ '%}' }}", "{{ '}}' }}", "{% set x = '%}' %}{{ x }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': {}}}}",
    "a {% if t %}\n{% endif %}\n\nb", "{% for i in l %}\n  {{ i }}\n{% endfor %}\n", "{% for i in l -%}\n  {{ i }}\n{%- endfor %}\n", "{%if t%}x{%endif%}", "{{n}}", "{{-n-}}", "{{ -n }}", "{{- -n }}",
    "{{+n}}", "{{ n +}}", "{{ 1 - -1 }}", "{{ 1--1 }}", "{##}", "{#-#}", "{#--#}x", "{# {{ n }} #}", "{# a #}{# b #}\n{# c #}", "a{%- endif %}", "\n{%- if t %}\n\n x\n{% endif -%}\n",
    # syntax errors
    "{{", "{{ }}", "{% %}", "{% if %}", "{% if t %}", "{% endif %}", "{% for %}", "{% for x in %}", "{% for x l %}{% endfor %}", "{{ a b }}", "{{ (1 }}", "{{ 1) }}", "{{ [1, }}", "{{ {1} }}", "{{ 'abc }}",
    "{# open", "{% raw %}", "{% nosuch %}", "{{ a. }}", "{{ a[ }}", "{{ a[] }}", "{{ x|}}", "{{ x is }}", "{{ not }}", "{% set = 1 %}", "{% set 1 = 2 %}", "{% set a.b.c = 1 %}", "{% macro %}{% endmacro %}",
    "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a, a) %}{% endmacro %}", "{{ f(a=1, 2) }}", "{{ f(a=1, a=2) }}", "{{ f(**d, a=1) }}", "{{ f(*l, 1) }}", "{% break %}", "{% continue %}", "{{ 1 is odd is even }}",
    "{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{{ 5 if }}", "{{ 08 }}", "{{ 1.e5 }}", "{{ 0x }}", "{{ 1__0 }}", "{{ a ! b }}", "{{ a ? b }}", "{% else %}", "{% elif t %}", "{{ n }", "{ { n } }",
    "{% for loop in l %}{{ loop }}{% endfor %}", "{% for i in l %}{% set loop = 1 %}{{ loop.index }}{% endfor %}", "{% set loop = 5 %}{{ loop }}", "{{ [1, 2,] }}{{ (1,) }}{{ {'a': 1,} }}", "{{ (,) }}", "{{ f(,) }}", "{{ range(3,) }}",
    "{% if t: %}x{% endif %}", "{% for i in l: %}{{ i }}{% endfor %}", "{{ true }}{{ True }}{{ none }}{{ None }}{{ false }}{{ False }}", "{% set true = 1 %}", "{% set none = 1 %}", "{% block a %}{% block a %}{% endblock %}{% endblock %}",
    "{% call m() %}x{% endcall %}", "{% call 5 %}x{% endcall %}", "{% filter %}x{% endfilter %}", "{% filter nosuch %}x{% endfilter %}", "{% if no %}{{ n|nosuch }}{% endif %}ok", "{% if no %}{{ n is nosuch }}{% endif %}ok",
    "{{ n|nosuch if no else 1 }}", "{% if no %}{% for i in l %}{{ i|nosuch }}{% endfor %}{% endif %}", "{{ n.nosuch }}|{{ n['nosuch'] }}", "{{ undef.x }}", "{{ undef['x'] }}", "{{ undef() }}", "{{ s() }}", "{{ n|d|d.x }}",
    # literals
    "{{ 'a\\nb\\tc\\\\d\\'e\\\"f\\x41\\u00e9\\101\\q\\0' }}", "{{ '\\x4' }}", "{{ '\\u12' }}", "{{ 'a\\\nb' }}", "{{ 1_000 }}{{ 0b101 }}{{ 0o17 }}{{ 0xfF }}{{ 00 }}{{ 1e3 }}{{ 1.5E-3 }}{{ 1_0.0_1 }}", "{{ 'a' 'b' \"c\" }}", "{{ 1.0 }}{{ 1e16 }}{{ 1e15 }}{{ 123456789012345678.0 }}{{ 1e-4 }}{{ 1e-5 }}{{ 0.1 + 0.2 }}",
    "{{ 1e308 * 10 }}", "{{ -1e308 * 10 }}", "{{ (1e308 * 10) - (1e308 * 10) }}", "{{ -0.0 }}", "{{ 5e-324 }}", "{{ 1.7976931348623157e308 }}", "{{ 2 ** 62 }}", "{{ 7 // 2 }}{{ -7 // 2 }}{{ 7 % -3 }}{{ -7 % 3 }}{{ 7.5 // 2 }}{{ -7.5 % 2 }}", "{{ 1 / 3 }}", "{{ 6 / 3 }}",
    "{{ 10 ** -2 }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 0 ** -1 }}", "{{ true + true }}", "{{ 1 < 2 < 3 }}{{ 1 < 2 > 3 }}{{ 3 > 2 == 2 }}", "{{ 1 in [1] == true }}", "{{ not 1 == 2 }}", "{{ not not n }}", "{{ 1 if no }}", "{{ (1 if no) is defined }}",
    "{{ 1 if t else 2 if t else 3 }}", "{{ n if t if no else 'z' }}", "{{ 'a' if no else 'b' if no }}", "{{ 'a' ~ 1 ~ none ~ 1.5 ~ undef }}", "{{ 'a' + 'b' * 2 }}", "{{ l + [1] }}", "{{ 'x' in 'xyz' and 'q' not in s }}", "{{ 1, 2 }}", "{{ (1, 2) == (1, 2) }}", "{{ [1] == (1,) }}",
    "{{ 1 == 1.0 }}{{ true == 1 }}{{ '1' == 1 }}", "{{ d == {'a': 1, 'C': 3, 'b': 2} }}", "{{ undef == undef2 }}", "{{ undef == none }}", "{{ 'B' < 'a' }}", "{{ [1, 2] < [1, 3] }}", "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ l.0 }}{{ l.1 }}", "{{ ll[0][1] }}{{ ll.1.0 }}", "{{ s[0, 1] }}", "{{ d['a', 'b'] }}",
    "{{ l[1:2, 0] }}", "{{ u[0] }}{{ u[-1] }}{{ u[7:12] }}{{ u[::-1] }}", "{{ d.items }}", "{{ nested.items }}", "{{ nested['items'] }}", "{{ nested.items() | list }}", "{{ nested.1 }}", "{{ nested['1'] }}",
    # scopes
    "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% set x = 1 %}{% for i in l %}{% set x = i %}{% endfor %}{{ x }}", "{% for i in l %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% if no %}{% set n = 99 %}{% endif %}{{ n }}", "{% if t %}{% set zz = 1 %}{% else %}{% set zz = 2 %}{% endif %}{{ zz }}",
    "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}", "{% set n = 1 %}{% macro m() %}{{ n }}{% endmacro %}{% set n = 2 %}{{ m() }}", "{% for i in l %}{{ n }}{% endfor %}{% set n = 5 %}{{ n }}", "{% for n in l %}{{ n }}{% endfor %}{{ n }}",
    "{% macro m() %}{% set n = 5 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}", "{% macro m(n) %}{{ n }}{% endmacro %}{{ m() }}{{ m(1) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{% macro m(a=b, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}", "{% macro m(n=n) %}{{ n }}{% endmacro %}{{ m() }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{% macro f(k) %}{{ k }}{% if k > 0 %}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}{{ ns }}",
    "{% set d.x = 1 %}", "{% set undef.x = 1 %}", "{% set ns = namespace(d) %}{{ ns.a }}", "{% set ns = namespace(_x=1) %}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set ns = namespace(a=1) %}{{ ns['a'] }}{{ ns.b }}{{ ns.b is defined }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = [1] %}", "{% set a, b = 1 %}", "{% set (a, b), c = [[1, 2], 3] %}{{ a }}{{ b }}{{ c }}",
    "{% set x %}a{{ n }}{% endset %}{{ x }}", "{% set x | upper | replace('A', 'z') %}a{{ n }}{% endset %}{{ x }}", "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}", "{% set n %}{{ n }}!{% endset %}{{ n }}", "{% set x | default(nowhere) %}{% endset %}", "{% set x | default(n) %}{% endset %}{{ n }}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with a = n, n = 1 %}{{ a }}{{ n }}{% endwith %}{{ n }}",
    "{% with %}{% set q1 = 1 %}{{ q1 }}{% endwith %}{{ q1 }}", "{% with a, b = l[:2] %}{{ a }}{{ b }}{% endwith %}", "{% filter upper %}{% set v = 'x' %}{{ v }}{% endfilter %}{{ v }}", "{% filter replace('a', n) %}{% set n = 3 %}a{% endfilter %}", "{% filter upper|trim %} a {% endfilter %}", "{% filter length %}abc{% endfilter %}", "{% autoescape false %}{% set v = 1 %}{{ html }}{% endautoescape %}{{ v }}",
    "{% block b %}{{ n }}{% endblock %}", "{% set x = 1 %}{% block b %}{{ x }}{% endblock %}", "{% for i in l %}{% block b %}{{ i }}{% endblock %}{% endfor %}", "{% block b %}{% set x = 1 %}{{ x }}{% endblock b %}{{ x }}", "{% set x = 1 %}{% block b %}{% set x = 2 %}{% endblock %}{{ x }}", "{% if t %}{% set x = 3 %}{% endif %}{% block b %}{{ x }}{% endblock %}", "{% print n, s %}", "{% include 'x' %}", "{% if no %}{% include 'x' %}{% endif %}ok",
    "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% if no %}{% import 'x' as y %}{% endif %}ok",
    # loops
    "{% for i in [] %}x{% else %}empty{% endfor %}", "{% for i in l %}{{ i }}{% else %}empty{% endfor %}", "{% for i in l %}{% continue %}{% else %}E{% endfor %}", "{% for i in l %}{% break %}{% else %}E{% endfor %}", "{% for i in l %}{{ i }}{% if i == 1 %}{% break %}{% endif %}{% else %}E{% endfor %}", "{% for i in l if i > 1 %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}", "{% for a, b in ll %}{{ a }}{% endfor %}", "{% for a, b in ll[:2] %}{{ a }}{{ b }}{{ loop.last }}{% endfor %}", "{% for (a, b) in ll[:2] %}{{ a }}{% endfor %}", "{% for i in n %}{% endfor %}", "{% for i in none %}{% endfor %}",
    "{% for i in undef %}x{% else %}E{% endfor %}", "{% for i in l %}{% for j in l %}{{ loop.index }}{{ i }}{% endfor %}{{ loop.index }}{% endfor %}", "{% for i in l %}{% set outer = loop %}{% for j in ll %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}", "{% for i in l recursive %}{{ i }}{% endfor %}", "{% for x in tree recursive %}{{ x.v }}@{{ loop.depth }}({{ loop(x.c) }}){% endfor %}",
    "{% for x in tree recursive %}{{ x.v }}{% if x.c %}[{{ loop(x.c) }}]{% endif %}{% else %}-{% endfor %}", "{% for i in l %}{{ loop(l) }}{% endfor %}", "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }}|{% endfor %}", "{% for i in l|sort %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}", "{% for i in l|select %}{{ loop.length }}{{ loop.revindex }}{{ loop.last }}{% endfor %}", "{% for i in l|map('string') %}{{ loop.nextitem }}{{ loop.length }}{% endfor %}",
    "{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }}{% endfor %}", "{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for i in l %}{{ loop.cycle() }}{% endfor %}", "{% for i in l %}{{ loop }}{% endfor %}", "{% for i in l %}{{ loop['index'] }}{{ loop.nosuch is defined }}{% endfor %}", "{% set g = l|select('odd') %}{{ g|list }}{{ g|list }}", "{% set g = l|map('string') %}{% for i in g %}{{ i }}{% endfor %}{% for i in g %}{{ i }}{% endfor %}",
    "{% for i in l if loop.index %}{% endfor %}", "{% for x in l %}{% for x in ll %}{{ x }}{% endfor %}{{ x }}{% endfor %}", "{% for i in l %}{% filter upper %}a{% if i == 1 %}{% break %}{% endif %}b{% endfilter %}{% endfor %}", "{% for i in l %}{% set x %}a{% if i == 1 %}{% continue %}{% endif %}{% endset %}{{ x }}{{ i }}{% endfor %}", "{% for i in range(3) %}{{ i }}{% endfor %}{{ range(3) }}{{ range(1, 10, 3)|list }}", "{{ range(100001)|length }}", "{{ range(0) }}{{ range(5)[1:3] }}{{ range(5)[-1] }}",
    "{{ range(1.5) }}", "{{ range() }}", "{{ range(1, 2, 0) }}", "{% for i in l %}{% if loop.first %}F{% endif %}{% if loop.last %}L{% endif %}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for m in users if m.age %}{{ loop.index0 }}{{ m.name }}{{ users[loop.index0 - 1].name }}{% endfor %}",
    # macros and calls
    "{% macro m(a, b='x') %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, k=4) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=1) }}", "{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}C{{ n }}{% endcall %}",
    "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m() %}{{ caller() if caller else 'none' }}{% endmacro %}{{ m() }}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m(caller) %}{{ caller() }}{% endmacro %}", "{% macro m(caller=none) %}{{ caller }}{% endmacro %}{{ m() }}", "{{ m }}{% macro m() %}{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}",
    "{% macro m(x) %}{{ x }}{% endmacro %}{{ l|map('m')|list }}", "{% macro m() %}a{% endmacro %}{{ m()|upper }}{{ m() ~ 'b' }}{{ m() is string }}", "{% macro outer() %}{% macro inner() %}I{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner }}", "{% if t %}{% macro m() %}1{% endmacro %}{% else %}{% macro m() %}2{% endmacro %}{% endif %}{{ m() }}", "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2], **{'c': 3}) }}", "{{ dict(a=1, **d) }}", "{{ dict([['a', 1]]) }}{{ dict(d, z=1) }}", "{{ dict(1) }}", "{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.next() }}", "{{ cycler() }}", "{% set j = joiner('|') %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}", "{{ joiner()() }}",
    "{{ raise_exception('bad ' ~ n) }}", "{{ raise_exception() }}", "{{ strftime_now('%Y-%m-%d %H:%M %j %a %B %% %p') }}", "{{ strftime_now('%-d %e %y') }}", "{{ strftime_now(5) }}", "{{ strftime_now is defined }}{{ raise_exception is callable }}", "{{ namespace is callable }}{{ dict is callable }}", "{{ s.upper is callable }}", "{{ 'format' is filter }}{{ 'x' is filter }}{{ 'odd' is test }}",
    "{% generation %}a{{ n }}{% endgeneration %}b", "{% generation %}{% set gx = 1 %}{{ gx }}{% endgeneration %}{{ gx }}", "{% for i in l %}{% generation %}{{ i }}{{ loop.index }}{% endgeneration %}{% endfor %}", "{% set x %}{% generation %}q{% endgeneration %}{% endset %}{{ x }}", "{%- generation -%} a {%- endgeneration -%} b",
    # immutable sandbox, underscore names
    "{{ l.append(1) }}", "{{ l.append is defined }}", "{{ l.append }}", "{{ d.update({'x': 1}) }}", "{% set _ = l.pop() %}", "{{ s.__class__ }}", "{{ s.__class__.__mro__ }}", "{{ ''.__class__ is defined }}", "{{ d.__len__() }}", "{{ s._x }}", "{{ m.__globals__ }}", "{{ {'_x': 5}._x }}{{ {'_x': 5}['_x'] }}", "{{ '%s'.__mod__(1) }}", "{{ s|attr('__class__') }}", "{{ d|attr('a') }}{{ d|attr('items') is callable }}",
    "{{ '{0.__class__}'.format(s) }}", "{{ '{0.upper}'.format(n) }}", "{{ users|map(attribute='name')|join(', ') }}", "{{ users|selectattr('age')|map(attribute='name')|list }}", "{{ users|selectattr('city', 'defined')|list|length }}", "{{ users|rejectattr('city', 'equalto', 'Rome')|map(attribute='city')|list }}", "{{ users|map(attribute='nosuch')|list }}", "{{ users|map(attribute='x.y')|list }}", "{{ users|map('nosuch')|list }}", "{{ users|map()|list }}",
    "{{ users|selectattr()|list }}", "{{ ll|map('first')|list }}{{ ll|map(attribute=0)|list }}{{ ll|map(attribute='0')|list }}", "{{ ll|map('join', '-')|list }}", "{{ ls|sort|join }}{{ ls|sort(true)|join }}{{ ls|sort(case_sensitive=true)|join }}", "{{ mixed|sort }}", "{{ users|groupby('age')|map(attribute='grouper')|list }}", "{% for g in users[:3]|groupby('age') %}{{ g.grouper }}:{{ g.list|length }}{{ g[0] }} {% endfor %}", "{% for age, us in users[:3]|groupby('age') %}{{ age }}{{ us|map(attribute='name')|join }}{% endfor %}",
    "{{ users|groupby('city', default='?')|map('first')|list }}", "{{ 'x'|indent }}{{ multi|indent(2) }}{{ multi|indent(2, true, true) }}", "{{ d|tojson }}{{ fl|tojson }}{{ u|tojson }}{{ q|tojson }}{{ q|tojson(ensure_ascii=true) }}", "{{ nested|tojson(indent=2) }}", "{{ nested|tojson(indent='--') }}", "{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}", "{{ {(1, 2): 3}|tojson }}", "{{ [undef]|tojson }}", "{{ l|map('string')|tojson }}", "{{ (1, 2)|tojson }}{{ []|tojson(indent=1) }}{{ {}|tojson(indent=1) }}",
    "{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}{{ d|tojson(true) }}{{ d|tojson(false, 1) }}", "{{ {'a': 1, 1: 2}|tojson(sort_keys=true) }}", "{{ [1e400, -1e400]|tojson }}", "{{ 'a'|e + '<b>' }}{{ '<i>' + '<b>'|safe }}{{ ('<i>'|safe) ~ '<b>' }}", "{{ ('<x>'|safe) * 2 }}", "{{ ['<a>', '<b>'|safe]|join(', ') }}", "{{ ('<%s>'|safe) % '<y>' }}", "{{ ('<{}>'|safe).format('<y>') }}", "{{ ('a<b'|safe).replace('a', '<') }}", "{{ ('<,>'|safe).split(',') }}", "{{ ('<'|safe).join(['<', '>'])  }}",
    "{{ html|escape }}{{ html|e|e }}{{ html|forceescape|forceescape }}{{ 5|e }}{{ none|e }}", "{{ (html|e)|upper }}{{ (html|e)[0:3] }}{{ (html|e)|length }}", "{{ 'Σίσυφος ΟΔΟΣ'.lower() }}{{ 'ǆ ß ﬁ'.upper() }}{{ 'ǆabc'.title() }}{{ 'İ'.lower()|length }}{{ 'ß'.casefold() }}", "{{ \"they're bill's\".title() }}{{ \"they're bill's\"|title }}", "{{ 'a\u2003b c'.split() }}{{ '\u2003a '|trim }}", "{{ '٣٤'|int }}{{ '²'.isdigit() }}{{ '½'.isnumeric() }}{{ '٣'.isdecimal() }}",
    "{{ ' 42 '|int }}{{ '4_2'|int }}{{ '0x1A'|int(base=16) }}{{ '1A'|int(0, 16) }}{{ '12.7'|int }}{{ 'abc'|int }}{{ 'abc'|int(-1) }}{{ -3.7|int }}{{ none|int }}{{ l|int }}{{ true|int }}", "{{ 'nan'|float }}{{ 'inf'|float }}{{ '1e3'|float }}{{ ' 2.5 '|float }}{{ 'x'|float }}{{ '1_0'|float }}{{ '0x1'|float }}{{ 'infinity'|int }}", "{{ 2.5|round }}{{ 3.5|round }}{{ 2.675|round(2) }}{{ 1234|round(-2) }}{{ 1250|round(-2) }}{{ 1350|round(-2) }}{{ -2.5|round }}{{ 42.55|round(1, 'floor') }}{{ 42|round(1, 'ceil') }}",
    "{{ 1e20|round(-19) }}{{ 15.5|round(-1) }}{{ 25|round(-1) }}{{ 5|round(-1) }}{{ 0.5|round }}{{ 1.5|round }}", "{{ 1|abs }}{{ -1.5|abs }}{{ true|abs }}", "{{ []|first }}{{ []|last }}{{ []|min }}{{ []|max }}{{ ''|first }}{{ []|sum }}", "{{ [[1], [2]]|sum(start=[]) }}", "{{ ['a']|sum }}", "{{ [0.1, 0.2, 0.3]|sum }}", "{{ 'abc'|reverse }}{{ l|reverse|list }}{{ d|reverse|list }}{{ (l|map('string'))|reverse }}", "{{ l|batch(2)|list }}{{ l|slice(2)|list }}{{ [1, 2, 3, 4, 5]|slice(3, 'x')|list }}{{ l|batch(0)|list }}",
    "{{ l|slice(0)|list }}", "{{ 'foo bar baz qux'|truncate(9) }}{{ 'foo bar baz qux'|truncate(9, True) }}{{ 'foo bar baz qux'|truncate(11) }}{{ 'foo bar baz qux'|truncate(11, False, '...', 0) }}", "{{ 'x'|truncate(1) }}", "{{ 'a b'|wordcount }}{{ u|wordcount }}{{ 'a-b_c d'|wordcount }}", "{{ 'abc'|center(10) }}|{{ 'abc'|center(2) }}|{{ 'abcd'|center(9) }}|{{ 'abc'.center(8) }}", "{{ 'a'|default('b') }}{{ undef|default('b') }}{{ ''|default('b', true) }}{{ none|default('b') }}{{ undef|default }}", "{{ undef|default(1, 2, 3) }}",
    "{{ 'a'|replace }}", "{{ 'a'|upper('x') }}", "{{ 'aaa'|replace('a', 'b', 2) }}{{ 'aaa'|replace('a', 'b', none) }}{{ 123|replace(2, 'x') }}", "{{ {'a': 1}|items|list }}{{ undef|items|list }}{{ l|items|list }}", "{{ d|dictsort }}{{ d|dictsort(true) }}{{ d|dictsort(by='value', reverse=true) }}{{ d|dictsort(by='x') }}", "{{ ['a', 'A', 'b']|unique|list }}{{ ['a', 'A']|unique(true)|list }}{{ [[1]]|unique|list }}", "{{ ['b', 'A']|min }}{{ ['b', 'A']|max(case_sensitive=true) }}{{ users|max(attribute='name') }}",
]
