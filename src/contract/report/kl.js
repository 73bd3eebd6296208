// KL divergence from ref by position, a panel a backend, on one logarithmic axis.

function draw_kl() {
  const body = part('kl', 'body');
  const rows = rows_of('FREE-RUN-001').filter((r) => precisions.some((p) => series_of(r, 'kl_by_position', p)));
  if (!rows.length) { body.replaceChildren(absent('No run over a text is in this receipt.')); return; }
  part('kl', 'legend').replaceChildren(h('ul', {class: 'keys'}, kPrecisions.map((p) => h('li', {},
    svg('svg', {viewBox: '0 0 14 14', 'aria-hidden': 'true'}, svg('circle', {cx: 7, cy: 7, r: 4, fill: `var(--${p})`})), p))),
    h('p', {}, 'Dashed: the bound of the 99th percentile in that precision.'));
  let [low, high] = [0, -9];
  const all = rows.flatMap((r) => precisions.map((p) => series_of(r, 'kl_by_position', p))).filter((s) => s);
  for (const s of all) for (const v of s.values) if (v > 0) { low = Math.min(low, Math.log10(v)); high = Math.max(high, Math.log10(v)); }
  for (const b of rows.flatMap((r) => r.bounds)) if (b.figure === 'kl_99') high = Math.max(high, Math.log10(b.at_most));
  low = Math.max(Math.floor(low), -16);
  high = Math.ceil(high + 0.2);
  body.replaceChildren(h('div', {class: 'panels'}, rows.map((row) => kl_panel(row, low, high))));
}

function kl_panel(row, low, high) {
  const drawn = precisions.map((p) => ({p, s: series_of(row, 'kl_by_position', p), bound: bound_of(row, 'kl_99', p)})).filter((d) => d.s);
  const n = Math.max(...drawn.map((d) => d.s.values.length));
  const plot = h('div', {class: 'plot', tabindex: '0', role: 'application', 'aria-roledescription': 'plot',
    'aria-label': `KL divergence at ${n} positions on ${row.backend}. Arrow keys move.`});
  const readout = h('p', {class: 'readout', 'aria-live': 'polite'}, 'Point at a position, or move with the arrow keys.');
  let at = -1, left = 46, inner = 1;
  const redraw = responsive(plot, (width) => {
    const [tall, top, bottom] = [270, 22, 34];
    inner = width - left - 8;
    const sx = (i) => left + (i + 0.5) / n * inner;
    const sy = (v) => top + (high - Math.max(low, Math.min(high, v))) / (high - low) * (tall - top - bottom);
    const log = (v) => v > 0 ? Math.log10(v) : low;
    const every = Math.ceil((high - low) / 7);
    const lines = [];
    for (let e = high; e >= low; e -= every)
      lines.push(svg('path', {class: 'grid', d: `M${left} ${sy(e)}H${width - 8}`}), svg('text', {x: left - 7, y: sy(e) + 4, 'text-anchor': 'end'}, e === 0 ? '1' : '1e' + e));
    plot.replaceChildren(svg('svg', {viewBox: `0 0 ${width} ${tall}`, height: tall, 'aria-hidden': 'true'}, lines,
      ticks(0, n, Math.max(3, width / 110)).filter((t) => t === Math.round(t) && t < n).map((t) => svg('text', {x: sx(t), y: tall - bottom + 15, 'text-anchor': 'middle'}, t)),
      svg('text', {x: width - 8, y: tall - 3, 'text-anchor': 'end', class: 'name'}, 'position'),
      svg('text', {x: left, y: 11, class: 'name'}, 'nats'),
      drawn.map(({p, s, bound}) => [
        bound && bound.at_most > 0 ? svg('path', {d: `M${left} ${sy(Math.log10(bound.at_most))}H${width - 8}`, stroke: `var(--${p})`, 'stroke-dasharray': '5 4', 'stroke-opacity': 0.8}) : null,
        svg('path', {d: points_path(s.values.map((_, i) => i).filter((i) => s.values[i] !== null), sx, (i) => sy(log(s.values[i]))),
          stroke: `var(--${p})`, 'stroke-width': n > 600 ? 2.4 : 3.6, 'stroke-linecap': 'round', 'stroke-opacity': 0.75, fill: 'none'})]),
      at >= 0 ? svg('path', {class: 'axis', d: `M${sx(at)} ${top}V${tall - bottom}`}) : null));
  });
  function go(i) {
    if (i < 0 || i >= n || i === at) return;
    at = i;
    readout.replaceChildren(h('b', {}, 'Position ' + i), ': ', ...drawn.flatMap(({p, s}, k) => [(k ? ', ' : '') + p + ' ', unit(show(s.values[i]))]), ' nats.');
    redraw();
  }
  plot.addEventListener('pointermove', (event) => go(Math.floor((event.clientX - plot.getBoundingClientRect().left - left) / inner * n)));
  plot.addEventListener('keydown', (event) => {
    const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -16, PageDown: 16}[event.key];
    if (!step) return;
    event.preventDefault();
    go(at < 0 ? 0 : Math.min(Math.max(at + step, 0), n - 1));
  });
  const means = drawn.map(({p}) => {
    const mean = row.figures.find((f) => f.figure === 'mean_kl' && f.precision === p);
    return mean ? [p + ' ', unit(show(mean.value))] : null;
  }).filter((t) => t).map((words, i) => [i ? ', ' : '', words]);
  return h('article', {class: 'panel'}, h('header', {}, h('h3', {}, backend_name(row.backend)), chip(row.verdict)),
    h('p', {class: 'verse'}, 'Mean, in nats: ', means, '.'), plot, readout);
}
