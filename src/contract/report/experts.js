// Which experts were chosen, layer by expert: of each backend, and the difference from what ref chose.

function expert_use(row, precision) {
  const use = series_of(row, 'expert_use', precision);
  const ref = series_of(row, 'expert_use_of_ref', precision);
  if (!use || !ref || use.width < 1 || use.values.length !== ref.values.length || use.values.length % use.width) return null;
  return {use: use.values, ref: ref.values, n_expert: use.width, n_layer: use.values.length / use.width};
}

function expert_map(u, values, shade, words, name) {
  const cells = values.map((v, i) => ({
    x: i % u.n_expert, y: Math.floor(i / u.n_expert), w: 1, h: 1, color: () => shade(v),
    label: () => [h('b', {}, `Layer ${Math.floor(i / u.n_expert)}, expert ${i % u.n_expert}`), ': ', words(v, i)]}));
  return cell_map({columns: u.n_expert, rows: u.n_layer, cells, gutter: 22, most: 26, tallest: 18, least: u.n_layer > 24 ? 4 : 9,
                   name: name + '. Arrow keys move.', hint: 'Point at a cell, or move with the arrow keys.',
                   row_label: (r) => String(r),
                   column_label: (x) => x % (u.n_expert > 32 ? 16 : u.n_expert > 8 ? 4 : 1) === 0 ? String(x) : ''});
}

function expert_panel(row) {
  const body = h('div', {});
  const verse = h('p', {class: 'verse'});
  on_precision(() => {
    const u = expert_use(row, state.precision);
    if (!u) { verse.replaceChildren('Not measured in ' + state.precision + '.'); body.replaceChildren(); return; }
    const difference = u.use.map((n, i) => n - u.ref[i]);
    const most = largest(u.use);
    const widest = largest(difference.map(Math.abs));
    const total = u.use.reduce((a, b) => a + b, 0);
    const moved = difference.reduce((a, b) => a + Math.abs(b), 0) / 2;
    const idle = u.use.filter((n) => n === 0).length;
    verse.replaceChildren(h('b', {}, moved === 0 ? 'The same counts as the reference.' : plural(moved, 'choice', 'choices') + ' of ' + count(total) + ' went to other experts than the reference\'s.'),
      idle ? ` ${count(idle)} of ${count(u.use.length)} experts were never chosen.` : ' Every expert was chosen.');
    const use = expert_map(u, u.use, (n) => ramp([color('heat-0'), color('heat-1'), color('heat-2'), color('heat-3')], Math.sqrt(n / most)),
      (n) => 'chosen ' + plural(n, 'time', 'times') + '.', 'Use of the experts on ' + row.backend);
    const minus = expert_map(u, difference, (d) => d === 0 ? color('none') : mix(color('none'), color(d > 0 ? 'more' : 'less'), 0.35 + 0.65 * Math.abs(d) / widest),
      (d, i) => `${count(u.use[i])} times, by the reference ${count(u.ref[i])}: ` + (d === 0 ? 'no difference.' : Math.abs(d) + (d > 0 ? ' more.' : ' fewer.')),
      'Difference from the reference on ' + row.backend);
    body.replaceChildren(h('div', {class: 'twin'},
      h('div', {}, h('h4', {}, 'Use, up to ' + count(most) + ' times'), use.node, use.readout),
      h('div', {}, h('h4', {}, moved === 0 ? 'Difference: none' : 'Difference, up to ±' + widest), minus.node, minus.readout)));
  });
  return h('article', {class: 'panel'}, h('header', {}, h('h3', {}, backend_name(row.backend)), h('p', {}, 'layers down, experts across')), verse, body);
}

function draw_experts() {
  const rows = rows_of('ALL-POSITIONS-001').filter((r) => precisions.some((p) => expert_use(r, p)));
  const body = part('experts', 'body');
  if (!rows.length) { body.replaceChildren(absent('The use of experts was not recorded in this run.')); return; }
  precision_control(part('experts', 'controls'));
  part('experts', 'legend').replaceChildren(
    scale([1, 0.8, 0.6, 0.4, 0.2].map((t) => () => mix(color('none'), color('less'), t)).concat([() => color('none')],
      [0.2, 0.4, 0.6, 0.8, 1].map((t) => () => mix(color('none'), color('more'), t))), ['fewer', 'the same', 'more'], 'Colours of the difference from the reference'));
  body.replaceChildren(h('div', {class: 'panels'}, rows.map(expert_panel)));
}
