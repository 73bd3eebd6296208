// The inside of a line of markdown as a tree: texts, and {tag, children}. In a time that goes with the length, whatever the text.

const kDeepest = 24;  // marks within marks; what is deeper is as plain as its surroundings
const kEntities = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', '#39': "'"};

// Where a link may go, or null: nothing but the web.
function web_address(text) {
  try {
    const url = new URL(text);
    return (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== '' ? url.href : null;
  } catch {
    return null;
  }
}

class Inline {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.items = [];     // texts, nodes, and marks that may become an emphasis: {mark, n, opens, closes}
    this.brackets = [];  // those that are open: {index into items, is_image}
    this.runs = null;    // where runs of back quotes stand, by their length
  }

  parse() {
    const special = /[\\`*_~[\]!<&\n]|https?:\/\//g;
    while (this.at < this.text.length) {
      special.lastIndex = this.at;
      const found = special.exec(this.text);
      this.items.push(this.text.slice(this.at, found ? found.index : this.text.length));
      if (!found) break;
      this.at = found.index;
      if (!this.special(found[0])) { this.items.push(found[0]); this.at += found[0].length; }
    }
    return emphasise(this.items);
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }

  special(sign) {
    switch (sign) {
      case '\\': return this.escape();
      case '`': return this.code();
      case '*': case '_': case '~': return this.mark(sign);
      case '!': return this.text[this.at + 1] === '[' && this.bracket(true);
      case '[': return this.bracket(false);
      case ']': return this.link();
      case '<': return this.angle();
      case '&': return this.entity();
      case '\n': return this.line_end();
      default: return this.bare_address();
    }
  }

  escape() {
    const found = this.take(/\\([!-/:-@[-`{-~])|\\\n/y);
    if (found) this.items.push(found[1] ?? {tag: 'br', children: []});
    return found !== null;
  }

  code() {
    this.runs ??= Map.groupBy(this.text.matchAll(/`+/g), (run) => run[0].length);
    const [run] = this.take(/`+/y);
    // Those in front of here are done with, for good.
    const same = this.runs.get(run.length) ?? [];
    while (same.length > 0 && same[0].index < this.at) same.shift();
    if (same.length === 0) {
      this.items.push(run);
      return true;
    }
    const inside = this.text.slice(this.at, same[0].index).replaceAll('\n', ' ');
    this.at = same[0].index + run.length;
    const padded = inside.startsWith(' ') && inside.endsWith(' ') && inside.trim() !== '';
    this.items.push({tag: 'code', children: [padded ? inside.slice(1, -1) : inside]});
    return true;
  }

  // Whether a run of marks can open or close depends on what stands on its sides.
  mark(sign) {
    const begin = this.at;
    const n = this.take(sign === '*' ? /\*+/y : sign === '_' ? /_+/y : /~+/y)[0].length;
    const before = begin > 0 ? this.text.slice(Math.max(0, begin - 2), begin).at(-1) : ' ';
    const after = this.text[this.at] ?? ' ';
    const is_space = (c) => /\s/.test(c), is_sign = (c) => /[\p{P}\p{S}]/u.test(c);
    const left = !is_space(after) && (!is_sign(after) || is_space(before) || is_sign(before));
    const right = !is_space(before) && (!is_sign(before) || is_space(after) || is_sign(after));
    const opens = sign === '_' ? left && (!right || is_sign(before)) : left;
    const closes = sign === '_' ? right && (!left || is_sign(after)) : right;
    this.items.push(sign === '~' && n !== 2 ? '~'.repeat(n) : {mark: sign, n, opens, closes});
    return true;
  }

  bracket(is_image) {
    this.brackets.push({index: this.items.length, is_image});
    this.items.push(is_image ? '![' : '[');
    this.at += is_image ? 2 : 1;
    return true;
  }

  link() {
    const open = this.brackets.pop();
    if (!open) return false;
    this.at += 1;
    const found = this.take(/\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\([^\s()]*\))*))(?:\s+(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))?\s*\)/y);
    if (!found) {
      this.items.push(']');
      return true;
    }
    const inside = emphasise(this.items.splice(open.index).slice(1));
    const href = web_address((found[1] ?? found[2]).replace(/\\([!-/:-@[-`{-~])/g, '$1'));
    // A link has no links within; a picture, which is not fetched, is a link to it.
    const children = without_links(inside);
    if (open.is_image && children.length === 0) children.push('picture');
    this.items.push(href === null ? {tag: 'span', children} : {tag: 'a', href, children});
    if (!open.is_image) this.brackets = this.brackets.filter((b) => b.is_image);
    return true;
  }

  angle() {
    const found = this.take(/<(https?:\/\/[^\s<>]{1,2000})>/y);
    const href = found && web_address(found[1]);
    if (found) this.items.push(href ? {tag: 'a', href, children: [found[1]]} : found[0]);
    return found !== null;
  }

  entity() {
    const found = this.take(/&(amp|lt|gt|quot|apos|nbsp|#39);/y);
    if (found) this.items.push(kEntities[found[1]]);
    return found !== null;
  }

  line_end() {
    const before = this.items.at(-1);
    if (typeof before === 'string' && /(?: {2})$/.test(before.slice(-2))) {
      this.items[this.items.length - 1] = before.trimEnd();
      this.items.push({tag: 'br', children: []});
    }
    this.items.push('\n');
    this.at += 1;
    return true;
  }

  bare_address() {
    if (this.at > 0 && /[\w/]/.test(this.text[this.at - 1])) return false;
    const begin = this.at;
    const found = this.take(/https?:\/\/[^\s<>"'`*[\]{}|\\^]{1,2000}/y);
    if (!found) return false;
    let text = found[0];
    let n_open = text.split('(').length - text.split(')').length;
    while (/[.,;:!?_~)]$/.test(text) && !(text.endsWith(')') && n_open >= 0)) {
      if (text.endsWith(')')) n_open += 1;
      text = text.slice(0, -1);
    }
    const href = web_address(text);
    this.at = begin + text.length;
    this.items.push(href ? {tag: 'a', href, children: [text]} : text);
    return text.length > 0;
  }
}

// Pairs of marks become em, strong and del. Each is looked for among those that are still open, and none twice in vain.
function emphasise(items) {
  const out = [], open = [], bottom = {};
  for (const item of items) {
    if (item.mark === undefined) { if (item !== '') out.push(item); continue; }
    let {n} = item;
    const key = item.mark + (item.opens ? 3 + item.n % 3 : item.n % 3);
    while (item.closes && n > 0) {
      let i = open.length - 1;
      const fits = (o) => o.mark === item.mark && !((o.closes || item.opens) && (o.size + item.n) % 3 === 0 && (o.size % 3 !== 0 || item.n % 3 !== 0));
      const least = Math.min(bottom[key] ?? 0, open.length);
      while (i >= least && !fits(open[i])) --i;
      if (i < least) { bottom[key] = open.length; break; }
      const opener = open[i];
      const n_used = item.mark === '~' || (opener.n >= 2 && n >= 2) ? 2 : 1;
      open.length = i + 1;
      const children = out.splice(opener.index + 1);
      opener.n -= n_used;
      n -= n_used;
      if (opener.n === 0) { open.pop(); out.pop(); } else out[opener.index] = opener.mark.repeat(opener.n);
      for (const k of Object.keys(bottom)) bottom[k] = Math.min(bottom[k], open.length);
      const depth = 1 + children.reduce((most, c) => Math.max(most, c.depth ?? 0), 0);
      if (depth > kDeepest) out.push(...children);
      else out.push({tag: item.mark === '~' ? 'del' : n_used === 2 ? 'strong' : 'em', children, depth});
    }
    if (n === 0) continue;
    if (item.opens) open.push({mark: item.mark, n, size: item.n, closes: item.closes, index: out.length});
    out.push(item.mark.repeat(n));
  }
  return out;
}

const without_links = (nodes) => nodes.flatMap((n) => n.tag === 'a' ? without_links(n.children) : n.tag ? [{...n, children: without_links(n.children)}] : [n]);

// As elements.
function inline_nodes(text) {
  const build = (node) => {
    if (typeof node === 'string') return node;
    const more = node.tag === 'a' ? {href: node.href, rel: 'noopener noreferrer', target: '_blank'} : null;
    return h(node.tag, more, node.children.map(build));
  };
  return new Inline(text).parse().map(build);
}
