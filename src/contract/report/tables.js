// Tables that are sorted by pressing a heading; and those of all figures and of the contracts.

// columns: {name, of: value to sort by, text: what is shown (the value), number}
function sortable({caption, columns, rows}) {
  let by = -1, down = false;
  const body = h('tbody', {});
  const fill = () => {
    const order = rows.map((row, i) => [row, i]);
    if (by >= 0) {
      const of = columns[by].of;
      const rank = (v) => v === null || v === undefined ? Infinity : v;
      order.sort(([a, i], [b, j]) => {
        const [x, y] = [rank(of(a)), rank(of(b))];
        const sign = typeof x === 'string' && typeof y === 'string' ? x.localeCompare(y, 'en', {numeric: true}) : x < y ? -1 : x > y ? 1 : 0;
        return (down ? -sign : sign) || i - j;
      });
    }
    body.replaceChildren(...order.map(([row]) => h('tr', {}, columns.map((c) =>
      h('td', {class: c.number ? 'number' : null}, c.text ? c.text(row) : c.number ? show(c.of(row)) : foreign(c.of(row)))))));
  };
  const heads = columns.map((c, i) => h('th', {scope: 'col', class: c.number ? 'number' : null, 'aria-sort': 'none'},
    h('button', {type: 'button', onclick: () => {
      [by, down] = [i, by === i ? !down : !!c.number];
      heads.forEach((head, k) => head.setAttribute('aria-sort', k !== by ? 'none' : down ? 'descending' : 'ascending'));
      fill();
    }}, c.name)));
  fill();
  return h('table', {}, caption ? h('caption', {}, caption) : null, h('thead', {}, h('tr', {}, heads)), body);
}

function bounds_table(rows, is_whole) {
  const lines = rows.flatMap((row) => row.bounds.map((bound) => ({row, bound})));
  const columns = [
    {name: 'Figure', of: ({bound}) => bound.figure + (bound.precision ? ' ' + bound.precision : ''),
     text: ({bound}) => [foreign(bound.figure), bound.precision ? h('small', {}, ' ' + bound.precision) : '']},
    {name: 'Worst', of: ({bound}) => bound.value, number: true},
    {name: 'Bound', of: ({bound}) => bound.at_most ?? bound.at_least, text: ({bound}) => want(bound), number: true},
    {name: 'Used', of: ({bound}) => used_of(bound), text: ({bound}) =>
      h('span', {class: bound.holds ? 'is-held' : 'is-fallen'}, (bound.holds ? '✓ ' : '✕ ') + percent(used_of(bound))), number: true},
    {name: 'Where', of: ({bound}) => bound.where || '', text: ({bound}) => [foreign(bound.where || ''),
      bound.first_beyond && bound.first_beyond !== bound.where ? ['; the first beyond it is ', foreign(bound.first_beyond)] : '']},
    {name: 'Unit and reason', of: ({bound}) => bound.unit,
      text: ({row, bound}) => h('span', {class: 'reason'}, foreign(bound.unit), reason_of(row, bound) ? [': ', foreign(reason_of(row, bound))] : '')}];
  if (is_whole) columns.unshift({name: 'Falsifier', of: ({row}) => short_id(row)}, {name: 'Backend', of: ({row}) => row.backend || ''});
  return sortable({columns, rows: lines});
}

function draw_figures() {
  const body = part('figures', 'body');
  const box = h('div', {class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': 'Thresholds and figures'});
  const seen = h('span', {'aria-live': 'polite'});
  const filter = h('input', {type: 'search', placeholder: 'parity, cuda, exact…', oninput: () => fill()});
  function fill() {
    const words = filter.value.toLowerCase().split(/\s+/).filter((w) => w);
    const fits = (row, bound) => {
      const text = [row.falsifier, row.backend, row.verdict, bound.figure, bound.precision, bound.where, bound.holds ? 'held' : 'beyond'].join(' ').toLowerCase();
      return words.every((w) => text.includes(w));
    };
    const rows = receipt.rows.map((row) => ({...row, bounds: row.bounds.filter((b) => fits(row, b))}));
    seen.textContent = plural(rows.reduce((n, r) => n + r.bounds.length, 0), 'threshold', 'thresholds');
    box.replaceChildren(bounds_table(rows, true));
  }
  fill();
  const whole = h('details', {}, h('summary', {}, 'Every single figure, ' + count(receipt.rows.reduce((n, r) => n + r.figures.length, 0)) + ' of them'));
  whole.addEventListener('toggle', () => {
    if (!whole.open || whole.children.length > 1) return;
    const rows = receipt.rows.flatMap((row) => row.figures.map((figure) => ({row, figure})));
    whole.append(h('div', {class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': 'Every figure'}, sortable({rows, columns: [
      {name: 'Falsifier', of: ({row}) => short_id(row)}, {name: 'Backend', of: ({row}) => row.backend || ''},
      {name: 'Figure', of: ({figure}) => figure.figure}, {name: 'Precision', of: ({figure}) => figure.precision || ''},
      {name: 'Where', of: ({figure}) => figure.where || ''}, {name: 'Value', of: ({figure}) => figure.value, number: true}]})));
  });
  body.replaceChildren(h('div', {class: 'filter'}, h('label', {}, 'Only those with ', filter), seen), box, whole);
}

function draw_contracts() {
  const cards = receipt.contracts.map((mark) => {
    const c = data.contracts.find((known) => known.id === mark.id);
    const is_same = c && c.sha256 === mark.sha256;
    const claims = (c?.claims || []).map((claim) => {
      const rows = receipt.rows.filter((r) => r.contract === mark.id && claim.falsifiers.includes(r.falsifier));
      const any = (verdict) => rows.some((r) => r.verdict === verdict);
      const verdict = any('FALSIFIED') ? 'FALSIFIED' : any('HELD') ? 'HELD' : 'SKIPPED';
      return h('li', {}, foreign(claim.claim), chip(verdict));
    });
    return h('article', {class: 'panel'},
      h('header', {}, h('h3', {}, foreign(c?.title || mark.id)), h('p', {}, foreign(mark.id), ' ', foreign(mark.version))),
      h('p', {class: 'readout'}, !c ? 'This contract is not here; its claims stand in its own file.' :
        is_same ? 'The contract here is the one that was run.' : 'The contract has changed since: here it is ' + c.version + '.'),
      claims.length ? h('ul', {class: 'claims'}, claims) : null,
      c?.amendments.length ? h('details', {}, h('summary', {}, 'Its history'), c.amendments.map((a) => h('p', {}, h('b', {}, foreign(a.version)), ' ', foreign(a.summary)))) : null,
      c?.stages.length ? h('details', {}, h('summary', {}, 'Its stages'), h('ul', {class: 'claims'}, c.stages.map((s) => h('li', {}, h('span', {}, foreign(s.id), ': ', foreign(s.title)), h('span', {class: 'chip'}, foreign(s.state)))))) : null,
      h('p', {class: 'readout'}, 'SHA-256 ', h('code', {class: 'hash'}, mark.sha256)));
  });
  const panels = h('div', {class: 'panels'}, cards);
  panels.style.setProperty('--least', '28rem');
  part('contracts', 'body').replaceChildren(panels);
}
