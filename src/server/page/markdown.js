// Markdown that is drawn while it comes: a block is made once and stays when the next one has begun, and only the last is made
// again. The lines of code that is still open are added one by one.

class CodeBlock {
  constructor(fence) {
    this.fence = fence;
    this.highlighter = new Highlighter(fence.language);
    this.code = h('code');
    this.partial = [];
    const label = fence.language || 'text';
    this.node = h('figure', {class: 'code'},
      h('figcaption', null, h('span', null, label), copy_button('Copy the code', () => this.code.textContent)),
      h('pre', {tabindex: 0, role: 'group', 'aria-label': 'Code: ' + label}, this.code));
  }
  pieces(highlighter, line) {
    return highlighter.line(line).map(([kind, text]) => kind === '' ? document.createTextNode(text) : h('span', {class: 'x-' + kind}, text));
  }
  add(line) {
    this.code.append(...this.pieces(this.highlighter, line), '\n');
  }
  // A line whose end is still to come.
  show(line) {
    for (const node of this.partial) node.remove();
    this.partial = this.pieces(this.highlighter.copy(), line);
    this.code.append(...this.partial);
  }
}

function block_node(block) {
  switch (block.kind) {
    // An answer's headings stand below the page's own.
    case 'heading': return h('h' + Math.min(6, block.level + 2), {class: 'level-' + block.level}, inline_nodes(block.text));
    case 'rule': return h('hr');
    case 'quote': return h('blockquote', null, block.blocks.map(block_node));
    case 'list': return list_node(block);
    case 'table': return table_node(block);
    case 'fence': {
      const code = new CodeBlock(block.fence);
      for (const line of block.lines) code.add(line);
      return code.node;
    }
    default: return h('p', null, inline_nodes(block.text));
  }
}

function list_node(list) {
  const item = ({blocks}) => h('li', null, blocks.map((b, i) => {
    if (b.kind !== 'paragraph') return block_node(b);
    const task = i === 0 ? /^\[([ xX])\] /.exec(b.text) : null;
    const text = inline_nodes(task ? b.text.slice(4) : b.text);
    const box = task && [h('input', {type: 'checkbox', disabled: true, checked: task[1] !== ' ', 'aria-label': task[1] !== ' ' ? 'done' : 'to do'}), ' '];
    return list.is_loose ? h('p', null, box, text) : [box, text];
  }));
  return h(list.is_ordered ? 'ol' : 'ul', {start: list.is_ordered && list.begin !== 1 ? list.begin : null}, list.items.map(item));
}

function table_node(table) {
  const row = (tag, cells) => h('tr', null, cells.map((cell, i) => h(tag, {class: table.align[i] || null, scope: tag === 'th' ? 'col' : null}, inline_nodes(cell))));
  return h('div', {class: 'table', tabindex: 0, role: 'group', 'aria-label': 'Table'},
    h('table', null, h('thead', null, row('th', table.head)), h('tbody', null, table.rows.map((cells) => row('td', cells)))));
}

class Markdown {
  constructor(target) {
    this.target = target;
    this.text = '';
    this.done = 0;     // of the text: what is drawn for good
    this.tail = [];    // the elements of the rest
    this.code = null;  // the block of code that the text is within
    this.n_read = 0;   // letters that were read as blocks, some of them more than once
  }

  push(text) { this.text += text.replaceAll('\r', ''); }

  // What was pushed; `is_whole`: nothing more comes.
  draw(is_whole = false) {
    for (const node of this.tail) node.remove();
    this.tail = [];
    while (this.done < this.text.length)
      if (this.code ? !this.draw_code(is_whole) : !this.draw_blocks(is_whole)) return;
  }

  // False when all was read that there is.
  draw_code(is_whole) {
    for (;;) {
      const end = this.text.indexOf('\n', this.done);
      const line = this.text.slice(this.done, end < 0 ? undefined : end);
      this.n_read += line.length;
      if ((end >= 0 || is_whole) && closes_fence(line, this.code.fence)) {
        this.code.show('');
        this.code = null;
        this.done = end < 0 ? this.text.length : end + 1;
        return true;
      }
      const inner = without_indent(line, this.code.fence.indent);
      // What may become the end of the code is not shown as code.
      const may_close = !is_whole && line.trim() !== '' && this.code.fence.mark.startsWith(line.trim());
      this.code.show(end >= 0 || may_close ? '' : inner);
      if (end < 0 && !is_whole) return false;
      if (end >= 0 || inner !== '') {
        this.code.show('');
        this.code.add(inner);
      }
      this.done = end < 0 ? this.text.length : end + 1;
      if (this.done >= this.text.length) return false;
    }
  }

  draw_blocks(is_whole) {
    const rest = this.text.slice(this.done);
    const lines = rest.split('\n');
    this.n_read += rest.length;
    if (is_whole && lines.at(-1) === '') lines.pop();
    const blocks = new Blocks(lines).parse();
    // A block is final once another one has begun, in a line that is there with its end.
    let n_final = is_whole ? blocks.length : 0;
    while (n_final + 1 < blocks.length && blocks[n_final + 1].start < lines.length - 1) ++n_final;
    const last = blocks[n_final];
    for (const block of blocks.slice(0, n_final)) this.target.append(block_node(block));
    if (is_whole) {
      this.done = this.text.length;
      return false;
    }
    if (!last) return false;
    for (let i = 0; i < last.start; ++i) this.done += lines[i].length + 1;
    if (last.kind === 'fence' && last.start < lines.length - 1 && n_final === blocks.length - 1) {
      this.done += lines[last.start].length + 1;
      this.code = new CodeBlock(last.fence);
      this.target.append(this.code.node);
      return true;
    }
    this.tail = blocks.slice(n_final).map(block_node);
    this.target.append(...this.tail);
    return false;
  }
}

function render_markdown(target, text) {
  const markdown = new Markdown(target);
  markdown.push(text);
  markdown.draw(true);
  return markdown;
}
