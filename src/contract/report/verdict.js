// The verdict, on what it was reached, and the falsifiers by backend.

function draw_verdict() {
  const {verification} = data;
  const rows = receipt.rows;
  const of = (verdict) => rows.filter((r) => r.verdict === verdict);
  const [held, fallen, skipped] = [of('HELD'), of('FALSIFIED'), of('SKIPPED')];
  const denied = verification.contradictions.length > 0;
  const [tone_class] = denied ? kWords.FALSIFIED : kWords[receipt.verdict];
  const on = (row) => row.backend ? [' on ', foreign(row.backend)] : '';
  let lead;
  if (denied) {
    lead = ['The receipt claims what its own figures deny. It is no evidence of anything.'];
  } else if (receipt.verdict === 'FALSIFIED') {
    lead = [count(fallen.length), ' of ', plural(rows.length - skipped.length, 'attempt', 'attempts'), ' to prove the program wrong succeeded: ',
            fallen.slice(0, 3).map((row, i) => [i ? ', ' : '', foreign(short_id(row)), on(row)]), fallen.length > 3 ? ' and others.' : '.'];
  } else if (receipt.verdict === 'HELD') {
    lead = [plural(held.length, 'attempt', 'attempts'), ' to prove the program wrong, and none succeeded',
            receipt.asked.length ? [', on ', receipt.asked.map((b, i) =>
              [i === 0 ? '' : i === receipt.asked.length - 1 ? ' and ' : ', ', foreign(b)])] : '', '.'];
  } else {
    lead = ['Nothing was proved wrong, but not all that was asked for could be tried.'];
  }
  const notes = [
    ...verification.contradictions.map((what) => ['is-fallen', 'Contradiction', what]),
    ...receipt.missing.map((what) => ['is-open', 'Incomplete', what]),
    ...verification.changes.map((what) => ['is-open', 'Changed', what]),
  ];
  if (!notes.length) notes.push(['', 'Checked again', 'the figures of the receipt stand beside the bounds of the contracts that are here, and say the same.']);
  const fact = (name, ...value) => [h('dt', {}, name), h('dd', {}, value)];
  const m = receipt.model;
  const facts = [
    fact('Model', foreign(m.name || m.file), h('br'), h('small', {}, foreign(m.file), ', ', bytes(m.bytes))),
    fact('SHA-256 of the file', h('code', {class: 'hash'}, m.sha256 || 'unknown: it changed while it was read')),
    fact('Program', 'Tercet ', foreign(receipt.program.version), h('br'), h('small', {}, 'commit ', h('code', {}, receipt.program.commit.slice(0, 12)))),
    fact('Run', foreign(receipt.made_at.replace('T', ' ').replace('Z', ' UTC')), h('br'), h('small', {}, foreign(receipt.depth), ' run on ', foreign(receipt.host))),
    fact('Falsifiers', plural(held.length, 'held', 'held'), ', ', count(fallen.length), ' falsified, ', count(skipped.length), ' skipped'),
  ];
  document.getElementById('verdict').replaceChildren(
    h('p', {class: 'eyebrow'}, 'The program against its contracts'),
    h('h1', {id: 'the-verdict', class: tone_class}, denied ? 'CONTRADICTED' : receipt.verdict),
    h('p', {class: 'lead'}, lead),
    h('ul', {class: 'notes'}, notes.map(([css, name, what]) => h('li', {class: css}, h('b', {}, name + ':'), foreign(what)))),
    h('dl', {class: 'facts'}, facts.map((pair) => h('div', {}, pair))),
    h('ul', {class: 'devices'}, backends.map(device_card)));
  document.title = (denied ? 'CONTRADICTED' : receipt.verdict) + ' - ' + (m.name || m.file) + ' - Tercet';
}

function device_card(name) {
  const device = receipt.devices.find((d) => d.backend === name);
  const rows = receipt.rows.filter((r) => r.backend === name);
  const parity = rows.find((r) => r.falsifier === contract_of(r)?.parity) || rows.find((r) => short_id(r).startsWith('PARITY'));
  const why = (rows.find((r) => r.verdict === 'SKIPPED') || {}).why || 'it was not asked for';
  return h('li', {class: tone(name)},
    h('h3', {}, foreign(name), parity ? chip(parity.verdict, 'parity ') : null),
    device ? h('p', {}, foreign(device.name)) : h('p', {}, 'Not here: ', foreign(why)),
    device ? h('p', {}, [device.kind, device.vendor, device.driver && 'driver ' + device.driver].filter((t) => t).map((t, i) =>
      [i ? ', ' : '', foreign(t)])) : null);
}

// Rows of all contracts by what they try, each with a cell a backend. Forward contracts share their falsifiers' names.
function draw_falsifiers() {
  const groups = new Map();
  for (const row of receipt.rows) {
    const c = contract_of(row);
    const is_forward = c ? c.kind === 'forward' : row.contract.includes('-forward-');
    const group = is_forward ? 'The forward pass' : c?.title || row.contract;
    if (!groups.has(group)) groups.set(group, new Map());
    const lines = groups.get(group);
    const id = short_id(row);
    if (!lines.has(id)) lines.set(id, []);
    lines.get(id).push(row);
  }
  const columns = [...new Set(receipt.rows.map((r) => r.backend || ''))].filter((b) => b !== '');
  columns.sort((a, b) => backends.indexOf(a) - backends.indexOf(b));
  const bare = receipt.rows.some((r) => !r.backend);
  const lines = [];
  for (const [group, members] of groups) {
    lines.push(h('tr', {class: 'group'}, h('th', {colspan: columns.length + 1 + bare, scope: 'colgroup'}, foreign(group))));
    for (const [id, rows] of members) {
      const summary = falsifier_of(rows[0])?.summary.split(/(?<=\.) /)[0] || '';
      lines.push(h('tr', {}, h('th', {scope: 'row'}, foreign(id), h('small', {}, foreign(summary))),
        columns.map((b) => h('td', {}, falsifier_cell(rows.filter((r) => r.backend === b)))),
        bare ? h('td', {}, falsifier_cell(rows.filter((r) => !r.backend))) : null));
    }
  }
  part('falsifiers', 'body').replaceChildren(h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Falsifiers by backend'},
    h('table', {class: 'matrix'},
      h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'Falsifier'), columns.map((b) => h('th', {scope: 'col'}, backend_name(b))),
        bare ? h('th', {scope: 'col', title: 'what no backend has a part in'}, 'no backend') : null)),
      h('tbody', {}, lines))));
}

function falsifier_cell(rows) {
  if (!rows.length) return h('span', {class: 'unseen'}, 'not applicable');
  const order = ['FALSIFIED', 'HELD', 'SKIPPED'];
  const row = [...rows].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict))[0];
  const [css, word, sign] = kWords[row.verdict];
  const worst = tightest(row);
  const share = worst ? used_of(worst) : 0;
  const meter = h('i');
  meter.style.width = Math.min(100, Math.max(worst ? 2 : 0, 100 * share)) + '%';
  return h('button', {class: 'cell ' + css, type: 'button', onclick: () => open_detail(row),
      'aria-label': short_id(row) + (row.backend ? ' on ' + row.backend : '') + ': ' + word + (worst ? ', ' + percent(share) + ' of its bound' : '') + '. Open the figures'},
    h('span', {}, h('b', {class: css}, sign, h('span', {class: 'word'}, ' ' + word)), worst ? h('span', {class: 'figure'}, percent(share)) : null),
    row.verdict === 'SKIPPED' ? null : h('i', {class: 'meter'}, meter));
}

function open_detail(row) {
  const dialog = document.getElementById('detail');
  const f = falsifier_of(row);
  const close = h('button', {class: 'plain close', type: 'button', onclick: () => dialog.close()}, 'Close');
  dialog.replaceChildren(
    h('p', {class: 'eyebrow'}, foreign(row.contract)),
    h('h2', {id: 'detail-title'}, foreign(row.falsifier)),
    h('p', {}, chip(row.verdict), row.backend ? [' on ', foreign(row.backend)] : '', ', ', show(row.seconds), ' s'),
    row.why ? h('p', {class: kWords[row.verdict][0]}, foreign(row.why)) : '',
    f ? h('p', {}, foreign(f.summary)) : '',
    row.untried.length ? h('p', {}, 'Not tried, to be quick: ', row.untried.join(', '), '.') : '',
    row.bounds.length ? h('div', {class: 'scroll'}, bounds_table([row], false)) : '', close);
  dialog.showModal();
  close.focus();
}
