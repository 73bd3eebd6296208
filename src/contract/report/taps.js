// The strip: taps down, layers across, coloured by the error beside its bound; the first divergence is marked.

const kTaps = ['attn_norm', 'Qcur', 'Kcur', 'Vcur', 'kqv_out', 'ffn_inp', 'ffn_norm', 'ffn_moe_weights_norm', 'ffn_moe_out', 'l_out'];
const kShortTaps = {ffn_moe_weights_norm: 'weights', ffn_moe_out: 'moe_out', attn_norm: 'attn_norm'};

// {name, tap, layer, value, share} of every tap, in the order of the forward pass.
function taps_of(row, precision) {
  const bound = bound_of(row, 'relative_l2', precision);
  return row.figures.filter((f) => f.figure === 'relative_l2' && f.precision === precision && f.where).map((f) => {
    const match = /^([^]*?)(?:-(\d+))?$/.exec(f.where);
    return {name: f.where, tap: match[1], layer: match[2] === undefined ? -1 : Number(match[2]), value: f.value, bound,
            share: bound ? used(bound, f.value) : NaN};
  });
}

function tap_cells(taps, n_layer) {
  const first = taps.find((t) => t.share > 1);
  const place = (t) => {
    if (t.tap === 'inp_embd') return {x: 0, y: 0, w: 1, h: kTaps.length};
    if (t.tap === 'result_norm') return {x: n_layer + 1, y: 0, w: 1, h: kTaps.length / 2};
    if (t.tap === 'result_output') return {x: n_layer + 1, y: kTaps.length / 2, w: 1, h: kTaps.length / 2};
    const y = kTaps.indexOf(t.tap);
    return y >= 0 && t.layer >= 0 && t.layer < n_layer ? {x: t.layer + 1, y, w: 1, h: 1} : null;
  };
  return taps.map((t) => ({...place(t), tap: t})).filter((cell) => cell.w).map((cell) => ({
    ...cell, beyond: cell.tap.share > 1, mark: cell.tap === first ? 'ring' : null,
    color: () => heat_of(cell.tap.share), label: () => tap_words(cell.tap, cell.tap === first)}));
}
function tap_words(t, is_first) {
  const value = t.value === null ? 'no number' : ['relative L2 ', unit(show(t.value))];
  const beside = !t.bound ? ', no bound is stated' : t.value === 0 ? ': the same bits' :
    t.share > 1 ? [', beyond its bound of ', unit(show(t.bound.at_most)), Number.isFinite(t.share) ? [': ', unit(show(t.share) + ' times it')] : ''] :
    [', ', unit(percent(t.share)), ' of its bound of ', unit(show(t.bound.at_most))];
  return [h('b', {}, unit(t.name)), ': ', value, beside, is_first ? h('b', {}, '. The first divergence.') : '.'];
}

function tap_panel(row) {
  const n_layer = Math.max(1, Math.min(receipt.model.shape.n_layer || 1, 4096));
  const verse = h('p', {class: 'verse'});
  const map = cell_map({
    columns: n_layer + 2, rows: kTaps.length, cells: [], gutter: 74, most: 160, tallest: 22, least: 15,
    name: 'Error of each tap in each layer on ' + row.backend + '. Arrow keys move.',
    hint: 'Point at a cell, or move with the arrow keys.',
    row_label: (r) => kShortTaps[kTaps[r]] || kTaps[r],
    column_label: (x) => x === 0 ? 'in' : x === n_layer + 1 ? 'out' : n_layer <= 12 || (x - 1) % 4 === 0 ? String(x - 1) : ''});
  on_precision(() => {
    const taps = taps_of(row, state.precision);
    map.set_cells(tap_cells(taps, n_layer));
    map.node.hidden = map.readout.hidden = taps.length === 0;
    const first = taps.find((t) => t.share > 1);
    const worst = taps.reduce((a, b) => !a || b.share > a.share ? b : a, null);
    verse.replaceChildren(...(!worst ? ['Not measured in ' + state.precision + '.'] :
      first ? [h('b', {class: 'is-fallen'}, '✕ First divergence: ', unit(first.name)), ', ',
               Number.isFinite(first.share) ? show(first.share) + ' × its bound.' : 'which is no number.'] :
      [h('b', {class: 'is-held'}, '✓ No divergence.'), ' The nearest to its bound is ', unit(worst.name), ', at ', unit(percent(worst.share)), '.']));
  });
  return h('article', {class: 'panel ' + tone(row.backend)},
    h('header', {}, h('h3', {}, backend_name(row.backend)), chip(row.verdict)), verse, map.node, map.readout);
}

function draw_taps() {
  const body = part('taps', 'body');
  const rows = rows_of('PER-LAYER-001');
  const seen = rows.filter((r) => r.figures.some((f) => f.figure === 'relative_l2'));
  if (!seen.length) { body.replaceChildren(absent('No tap was measured: ' + (rows[0]?.why || 'no falsifier of this run does that') + '.')); return; }
  precision_control(part('taps', 'controls'));
  const shades = [1e-4, 1e-3, 1e-2, 1e-1, 1].flatMap((d, i) => i < 4 ? [1, 2, 4, 7].map((k) => () => heat_of(d * k)) : []);
  part('taps', 'legend').replaceChildren(
    scale([...shades, () => heat_of(1.5), () => heat_of(10), () => heat_of(100)], ['0.01 %', '1 %', 'bound', '100 ×'], 'Colours: the error as a share of its bound'),
    h('p', {}, 'Red, and crossed where there is room: beyond the bound. Framed: the first.'));
  const missing = rows.filter((r) => !seen.includes(r));
  body.replaceChildren(h('div', {class: 'panels'}, seen.map(tap_panel)), ...missing.map((r) => h('p', {class: 'readout'}, foreign(r.backend), ' is absent: ', foreign(r.why))));
}
