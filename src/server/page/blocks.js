// The blocks of a markdown text, by lines: {kind, start, ...}, where `start` is the line they begin in.

const kDeepestBlock = 12;  // quotes and lists within each other
const kMostColumns = 64;
const is_blank = (line) => line.trim() === '';
// In columns: a tab goes to the next fourth.
function indent_of(line) {
  let column = 0;
  for (let i = 0; line[i] === ' ' || line[i] === '\t'; ++i) column += line[i] === '\t' ? 4 - column % 4 : 1;
  return column;
}
function without_indent(line, n) {
  let column = 0, i = 0;
  for (; column < n && (line[i] === ' ' || line[i] === '\t'); ++i) column += line[i] === '\t' ? 4 - column % 4 : 1;
  return ' '.repeat(Math.max(0, column - n)) + line.slice(i);
}

const kFence = /^( {0,3})(`{3,}|~{3,})[ \t]*(.*)$/;
const kRule = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const kItem = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)(.*)|)$/;
const kHeading = /^ {0,3}(#{1,6})(?:[ \t](.*)|)$/;
const kDelimiters = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

function fence_of(line) {
  const found = kFence.exec(line);
  if (!found || (found[2][0] === '`' && found[3].includes('`'))) return null;
  return {indent: found[1].length, mark: found[2], language: found[3].trim().split(/[\s{,:]/)[0].slice(0, 40)};
}
function closes_fence(line, fence) {
  const text = line.trim();
  return indent_of(line) < 4 && text.length >= fence.mark.length && text === fence.mark[0].repeat(text.length);
}

function item_of(line) {
  if (kRule.test(line)) return null;
  const found = kItem.exec(line);
  if (!found) return null;
  const [, before, mark, space = ' ', text = ''] = found;
  const is_empty = is_blank(text);
  const gap = is_empty || space.length > 4 ? 1 : space.length;
  return {kind: mark.at(-1), mark, width: before.length + mark.length + gap, is_empty,
          text: is_empty ? '' : ' '.repeat(Math.max(0, space.length - gap)) + text};
}

// Whether a paragraph ends in front of this line without a blank one.
function interrupts(line) {
  if (fence_of(line) || kHeading.test(line) || kRule.test(line) || /^ {0,3}>/.test(line)) return true;
  const item = item_of(line);
  return item !== null && !item.is_empty && (!/\d/.test(item.mark) || /^1[.)]/.test(item.mark));
}

function cells_of(line) {
  const text = line.trim().replace(/^\|/, '');
  const cells = (text.endsWith('|') && !text.endsWith('\\|') ? text.slice(0, -1) : text).split(/(?<!\\)\|/);
  return cells.map((cell) => cell.trim().replaceAll('\\|', '|'));
}

class Blocks {
  constructor(lines, depth = 0) {
    this.lines = lines;
    this.depth = depth;
    this.at = 0;
  }

  parse() {
    const out = [];
    for (;;) {
      while (this.at < this.lines.length && is_blank(this.lines[this.at])) ++this.at;
      if (this.at >= this.lines.length) return out;
      const start = this.at;
      out.push({...this.block(this.lines[start]), start});
    }
  }

  block(line) {
    const fence = fence_of(line);
    if (fence) return this.fence(fence);
    const heading = kHeading.exec(line);
    if (heading) {
      ++this.at;
      return {kind: 'heading', level: heading[1].length, text: (heading[2] ?? '').trim().replace(/(?:^|[ \t])#+$/, '')};
    }
    if (kRule.test(line)) {
      ++this.at;
      return {kind: 'rule'};
    }
    const is_shallow = this.depth < kDeepestBlock;
    if (is_shallow && /^ {0,3}>/.test(line)) return this.quote();
    const item = is_shallow ? item_of(line) : null;
    if (item) return this.list(item);
    return this.table(line) ?? this.paragraph();
  }

  fence(fence) {
    const lines = [];
    for (++this.at; this.at < this.lines.length; ++this.at) {
      if (closes_fence(this.lines[this.at], fence)) {
        ++this.at;
        return {kind: 'fence', fence, lines, is_closed: true};
      }
      lines.push(without_indent(this.lines[this.at], fence.indent));
    }
    return {kind: 'fence', fence, lines, is_closed: false};
  }

  quote() {
    const lines = [];
    for (; this.at < this.lines.length; ++this.at) {
      const line = this.lines[this.at];
      if (/^ {0,3}>/.test(line)) lines.push(line.trimStart().slice(1).replace(/^ /, ''));
      else if (is_blank(line) || is_blank(lines.at(-1)) || interrupts(line)) break;
      else lines.push(line);
    }
    return {kind: 'quote', blocks: new Blocks(lines, this.depth + 1).parse()};
  }

  list(first) {
    const items = [];
    let is_loose = false;
    let had_blank = false;
    for (let item = first; item !== null && item.kind === first.kind;) {
      const lines = [item.text];
      let has_fence = fence_of(item.text) !== null;
      if (had_blank) is_loose = true;
      had_blank = false;
      let next = null;
      for (++this.at; this.at < this.lines.length; ++this.at) {
        const line = this.lines[this.at];
        if (is_blank(line)) {
          had_blank = true;
          lines.push('');
          continue;
        }
        const inner = item_of(line);
        // Models put the inner list of "1. " at two columns, which is one too few.
        const is_inside = indent_of(line) >= item.width || (inner !== null && inner.kind !== item.kind && indent_of(line) >= 2);
        if (!is_inside && inner) { next = inner; break; }
        if (!is_inside && (had_blank || interrupts(line))) break;
        if (had_blank && !has_fence) is_loose = true;
        had_blank = false;
        lines.push(without_indent(line, item.width));
        has_fence ||= fence_of(lines.at(-1)) !== null;
      }
      items.push({blocks: new Blocks(lines, this.depth + 1).parse()});
      item = next;
    }
    return {kind: 'list', is_ordered: /\d/.test(first.mark), begin: parseInt(first.mark, 10), items, is_loose};
  }

  table(line) {
    const under = this.lines[this.at + 1];
    if (!line.includes('|') || under === undefined || !kDelimiters.test(under)) return null;
    const head = cells_of(line), marks = cells_of(under);
    if (head.length !== marks.length || head.length > kMostColumns) return null;
    const align = marks.map((m) => m.endsWith(':') ? m.startsWith(':') ? 'center' : 'right' : '');
    const rows = [];
    for (this.at += 2; this.at < this.lines.length && !is_blank(this.lines[this.at]) && !interrupts(this.lines[this.at]); ++this.at)
      rows.push(cells_of(this.lines[this.at]).slice(0, head.length));
    return {kind: 'table', head, align, rows};
  }

  paragraph() {
    const lines = [this.lines[this.at].trimStart()];
    for (++this.at; this.at < this.lines.length; ++this.at) {
      const line = this.lines[this.at];
      const under = /^ {0,3}(=+|-+)[ \t]*$/.exec(line);
      if (under) {
        ++this.at;
        return {kind: 'heading', level: under[1][0] === '=' ? 1 : 2, text: lines.join('\n').trim()};
      }
      if (is_blank(line) || interrupts(line)) break;
      lines.push(line.trimStart());
    }
    return {kind: 'paragraph', text: lines.join('\n').trimEnd()};
  }
}
