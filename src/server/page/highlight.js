// Colours code a line at a time, so that an answer that grows is never read twice: what a line leaves open (a comment, a
// string) is the highlighter's state. One tokenizer for all languages, which differ by a few words.

const words = (text) => new Set(text.split(' '));
const kC = 'alignas alignof auto break case catch class concept const consteval constexpr continue co_await co_return co_yield default delete do else enum explicit export extern final for friend goto if inline mutable namespace new noexcept operator override private protected public register requires return sizeof static static_assert struct switch template this throw try typedef typename union using virtual volatile while';
const kCTypes = 'bool char char8_t double float int int8_t int16_t int32_t int64_t long short signed size_t ssize_t string uint8_t uint16_t uint32_t uint64_t unsigned void wchar_t std nullptr true false NULL';
const kSlashes = {line: ['//'], block: [['/*', '*/']]};
const kQuotes = [['"', '"'], ["'", "'"]];
const kLanguages = {
  python: {line: ['#'], strings: [['"""', '"""', true], ["'''", "'''", true], ...kQuotes],
    words: words('and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield'),
    types: words('True False None self cls int float str bool bytes list dict set tuple object print len range super type')},
  javascript: {...kSlashes, strings: [['`', '`', true], ...kQuotes],
    words: words('abstract as async await break case catch class const continue debugger declare default delete do else enum export extends finally for from function get if implements import in instanceof interface keyof let namespace new of private protected public readonly return satisfies set static super switch this throw try type typeof var void while with yield'),
    types: words('true false null undefined NaN Infinity any boolean never number object string symbol unknown Array Map Math Object Promise Set console document window')},
  cpp: {...kSlashes, strings: kQuotes, words: words(kC), types: words(kCTypes), directive: '#'},
  java: {...kSlashes, strings: [['"""', '"""', true], ...kQuotes],
    words: words('abstract as assert break by case catch class companion const continue data default do else enum extends final finally for fun goto if implements import in instanceof interface internal is lateinit native new object open out override package permits private protected public record return sealed static super suspend switch synchronized this throw throws transient try typealias val var volatile when while yield namespace using foreach async await'),
    types: words('boolean bool byte char double float int long short string void true false null String Integer Long Double Boolean Object List Map Unit Int Any')},
  go: {...kSlashes, strings: [['`', '`', true, true], ...kQuotes],
    words: words('break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var'),
    types: words('any bool byte complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8 uint16 uint32 uint64 uintptr true false nil iota append cap len make new panic print println')},
  rust: {...kSlashes, strings: [['"', '"', true]], character: /'(?:\\[^']{1,10}|[^'\\])'/y,
    words: words('as async await break const continue crate dyn else enum extern fn for if impl in let loop match mod move mut pub ref return static struct super trait type unsafe use where while'),
    types: words('bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize self Self true false None Some Ok Err Option Result String Vec Box')},
  bash: {line: ['#'], strings: [['"', '"', true], ["'", "'", true, true]], variable: /\$(?:\w+|\{[^}\s]*\}|[@#?*!$-])/y,
    words: words('case do done elif else esac export fi for function if in local return select set shift source then trap unset until while'),
    types: words('true false cd cat cp curl echo exit git grep ls make mkdir mv printf read rm sed sudo test')},
  sql: {line: ['--'], block: [['/*', '*/']], strings: [["'", "'", true], ['"', '"']], any_case: true,
    words: words('add all alter and as asc begin between by case check column commit constraint create cross database default delete desc distinct drop else end exists foreign from full function grant group having if in index inner insert into is join key left like limit not null offset on or order outer primary references returning right rollback select set table then transaction trigger union unique update using values view when where with'),
    types: words('bigint boolean char date decimal int integer json numeric real serial text timestamp varchar true false avg coalesce count max min sum now')},
  json: {line: [], strings: [['"', '"']], words: words(''), types: words('true false null'), keys: 'string'},
  yaml: {line: ['#'], strings: kQuotes, words: words(''), types: words('true false null yes no on off'), keys: 'word'},
  css: {block: [['/*', '*/']], strings: kQuotes, words: words('important media supports keyframes import layer container root from to'), types: words('auto none inherit initial unset var calc rgb hsl'), keys: 'word', name: /[A-Za-z_-][\w-]*/y},
  html: {markup: true, block: [['<!--', '-->']]},
  diff: {lines: [['+', 'ins'], ['-', 'del'], ['@', 'n']]},
};
const kAliases = {
  py: 'python', python3: 'python', js: 'javascript', jsx: 'javascript', ts: 'javascript', tsx: 'javascript', typescript: 'javascript', mjs: 'javascript', c: 'cpp', 'c++': 'cpp', cc: 'cpp', h: 'cpp', hpp: 'cpp',
  cuda: 'cpp', wgsl: 'rust', rs: 'rust', golang: 'go', kotlin: 'java', kt: 'java', cs: 'java', csharp: 'java', 'c#': 'java', swift: 'rust', sh: 'bash', shell: 'bash', zsh: 'bash', console: 'bash', xml: 'html', svg: 'html', vue: 'html',
  jsonc: 'json', json5: 'json', yml: 'yaml', toml: 'yaml', ini: 'yaml', scss: 'css', less: 'css', patch: 'diff', postgresql: 'sql', mysql: 'sql', sqlite: 'sql', dockerfile: 'bash', makefile: 'bash', make: 'bash',
};

class Highlighter {
  constructor(name) {
    const key = name.toLowerCase();
    const own = (table, k) => (Object.hasOwn(table, k) ? table[k] : undefined);
    this.language = own(kLanguages, own(kAliases, key) ?? key);
    this.open = null;  // what ends what an earlier line has begun: {end, kind, is_raw}
    this.in_tag = false;
  }
  copy() { return Object.assign(Object.create(Highlighter.prototype), this); }

  // The line as [kind, text] pieces; kind '' is plain.
  line(text) {
    const out = [];
    const emit = (kind, piece) => {
      if (piece === '') return;
      if (out.length > 0 && out.at(-1)[0] === kind) out.at(-1)[1] += piece;
      else out.push([kind, piece]);
    };
    const its = this.language;
    if (!its) emit('', text);
    else if (its.lines) emit(its.lines.find(([begin]) => text.startsWith(begin))?.[1] ?? '', text);
    else this.scan(text, its, emit);
    return out;
  }

  scan(text, its, emit) {
    let at = 0;
    while (at < text.length) {
      if (this.open) { at = this.close(text, at, emit); continue; }
      const next = this.begin(text, at, its, emit);
      if (next > at) { at = next; continue; }
      at = its.markup ? this.markup(text, at, emit) : this.token(text, at, its, emit);
    }
    if (this.open && !this.open.goes_on) this.open = null;
  }

  // Up to the end of what is open, or of the line.
  close(text, at, emit, from = at) {
    const {end, kind, is_raw} = this.open;
    let i = from;
    while (i < text.length && !text.startsWith(end, i)) i += !is_raw && text[i] === '\\' ? 2 : 1;
    const stop = i < text.length ? i + end.length : text.length;
    const is_key = this.language.keys === 'string' && i < text.length && /^\s*:/.test(text.slice(stop, stop + 40));
    if (i < text.length) this.open = null;
    emit(is_key ? 'a' : kind, text.slice(at, stop));
    return stop;
  }

  // Comments and strings.
  begin(text, at, its, emit) {
    for (const mark of its.line ?? [])
      if (text.startsWith(mark, at) && (mark !== '#' || at === 0 || /\s/.test(text[at - 1]))) { emit('c', text.slice(at)); return text.length; }
    for (const [begin, end] of its.block ?? [])
      if (text.startsWith(begin, at)) { this.open = {end, kind: 'c', is_raw: true, goes_on: true}; return this.close(text, at, emit, at + begin.length); }
    if (its.markup && !this.in_tag) return at;
    for (const [begin, end, goes_on, is_raw] of its.strings ?? kQuotes)
      if (text.startsWith(begin, at)) { this.open = {end, kind: 's', is_raw, goes_on}; return this.close(text, at, emit, at + begin.length); }
    return at;
  }

  token(text, at, its, emit) {
    const take = (pattern) => { pattern.lastIndex = at; return pattern.exec(text)?.[0]; };
    let found;
    if (its.directive && text[at] === its.directive && text.slice(0, at).trim() === '' && (found = take(/#\s*\w*/y))) { emit('k', found); return at + found.length; }
    if (its.character && (found = take(its.character))) { emit('s', found); return at + found.length; }
    if (its.variable && (found = take(its.variable))) { emit('a', found); return at + found.length; }
    if ((found = take(/\d[\w.]*/y))) { emit('n', found); return at + found.length; }
    if ((found = take(its.name ?? /[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*/y))) {
      const word = its.any_case ? found.toLowerCase() : found;
      const rest = text.slice(at + found.length, at + found.length + 2);
      const kind = its.words.has(word) ? 'k' : its.keys === 'word' && /^ ?[:=]/.test(rest) ? 'a' : its.types.has(word) ? 't' : rest.startsWith('(') ? 'f' : '';
      emit(kind, found);
      return at + found.length;
    }
    found = take(/\s+/y) ?? text[at];
    emit('', found);
    return at + found.length;
  }

  markup(text, at, emit) {
    const take = (pattern) => { pattern.lastIndex = at; return pattern.exec(text)?.[0]; };
    let found;
    if (!this.in_tag && (found = take(/<[\/!?]?[A-Za-z][\w:.-]*/y))) { this.in_tag = true; emit('k', found); }
    else if (this.in_tag && (found = take(/[\/?]?>/y))) { this.in_tag = false; emit('k', found); }
    else if (this.in_tag && (found = take(/[\w:@.-]+/y))) emit('a', found);
    else emit('', found = (this.in_tag ? null : take(/[^<]+/y)) ?? text[at]);
    return at + found.length;
  }
}
