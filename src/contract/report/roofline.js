// What stages reach beside what the memory allows: performance over arithmetic intensity, both logarithmic.

const kMarks = [(x, y) => `M${x - 4.5} ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0`, (x, y) => `M${x - 4} ${y - 4}h8v8h-8z`, (x, y) => `M${x} ${y - 5.5}l5.5 9.5h-11z`];

function roof_panel(roof) {
  const points = roof.points.filter((p) => p.seconds > 0 && p.bytes > 0 && p.flops > 0).map((p) =>
    ({...p, x: p.flops / p.bytes, y: p.flops / p.seconds / 1e9}));
  const widths = [...new Set(points.map((p) => p.n_row))].sort((a, b) => a - b);
  const head = h('header', {}, h('h3', {}, backend_name(roof.backend)),
    h('p', {}, roof.read_bandwidth ? `reads ${show(roof.read_bandwidth / 1e9)} GB/s, measured; ${roof.precision}` : roof.precision));
  if (!points.length) return h('article', {class: 'panel'}, head, absent(roof.absent || 'No stage was measured.'));
  const plot = h('div', {class: 'plot'});
  const decade = (values, round, by) => round(by(...values.map((v) => Math.log10(v))) + (by === Math.max ? 0.12 : -0.12));
  const reach = points.map((p) => p.y).concat(roof.read_bandwidth ? points.map((p) => p.x * roof.read_bandwidth / 1e9) : []);
  const [x0, x1] = [decade(points.map((p) => p.x), Math.floor, Math.min), decade(points.map((p) => p.x), Math.ceil, Math.max)];
  const [y0, y1] = [decade(reach, Math.floor, Math.min), decade(reach, Math.ceil, Math.max)];
  responsive(plot, (width) => {
    const [left, top, bottom] = [46, 22, 36];
    const tall = Math.min(360, Math.max(260, width * 0.62));
    const sx = (v) => left + (v - x0) / (x1 - x0) * (width - left - 12);
    const sy = (v) => top + (y1 - v) / (y1 - y0) * (tall - top - bottom);
    const lines = [];
    for (let e = y0; e <= y1; ++e) lines.push(svg('path', {class: 'grid', d: `M${left} ${sy(e)}H${width - 12}`}), svg('text', {x: left - 7, y: sy(e) + 4, 'text-anchor': 'end'}, show(10 ** e)));
    for (let e = x0; e <= x1; ++e) lines.push(svg('path', {class: 'grid', d: `M${sx(e)} ${top}V${tall - bottom}`}), svg('text', {x: sx(e), y: tall - bottom + 15, 'text-anchor': 'middle'}, show(10 ** e)));
    // log y = log x + log bandwidth, cut to the frame.
    const b = roof.read_bandwidth ? Math.log10(roof.read_bandwidth / 1e9) : null;
    const [from, to] = [Math.max(x0, y0 - b), Math.min(x1, y1 - b)];
    // Where names may not stand: [left, base line, width].
    const taken = points.map((p) => [sx(Math.log10(p.x)) - 5, sy(Math.log10(p.y)) + 5, 10]);
    const name_at = (x, y, text) => {
      // Above, below or right of its mark, wherever no other name stands.
      const w = 6.4 * text.length;
      const spots = [[x - w / 2, y - 9], [x + 9, y + 4], [x - w / 2, y + 18], [x - w - 9, y + 4], [x - w / 2, y - 22], [x - w / 2, y + 31]];
      const fits = ([sx0, sy0]) => sx0 > left && sx0 + w < width && taken.every(([a, c, d]) => sx0 > a + d || sx0 + w < a || Math.abs(sy0 - c) > 12);
      const spot = spots.find(fits);
      if (!spot) return null;
      taken.push([...spot, w]);
      return svg('text', {x: spot[0], y: spot[1], class: 'name halo'}, text);
    };
    plot.replaceChildren(svg('svg', {viewBox: `0 0 ${width} ${tall}`, height: tall, role: 'img',
        'aria-label': `Roofline of ${roof.backend}; the table under it has the same figures`}, lines,
      svg('text', {x: width - 12, y: tall - 4, 'text-anchor': 'end', class: 'name'}, 'FLOP a byte'), svg('text', {x: left, y: 11, class: 'name'}, 'GFLOP/s'),
      b !== null && to > from ? svg('path', {d: `M${sx(from)} ${sy(from + b)}L${sx(to)} ${sy(to + b)}`, stroke: 'var(--ink)', 'stroke-width': 2, fill: 'none'}) : null,
      points.map((p) => name_at(sx(Math.log10(p.x)), sy(Math.log10(p.y)), p.stage)),
      points.map((p) => svg('path', {d: kMarks[widths.indexOf(p.n_row) % 3](sx(Math.log10(p.x)), sy(Math.log10(p.y))), fill: `var(--${['cpu', 'more', 'fast'][widths.indexOf(p.n_row) % 3]})`},
        svg('title', {}, `${p.stage}, ${plural(p.n_row, 'row', 'rows')}: ${show(p.y)} GFLOP/s at ${show(p.x)} FLOP a byte`)))));
  });
  const table = sortable({caption: 'Each stage of a step, all layers together', columns: [
    {name: 'Stage', of: (p) => p.stage}, {name: 'Rows', of: (p) => p.n_row, number: true},
    {name: 'Time', of: (p) => p.seconds, text: (p) => show(p.seconds * 1e3) + ' ms', number: true},
    {name: 'GB/s', of: (p) => p.bytes / p.seconds / 1e9, number: true}, {name: 'GFLOP/s', of: (p) => p.y, number: true},
    {name: 'Of the reads', of: (p) => roof.read_bandwidth ? p.bytes / p.seconds / roof.read_bandwidth : -1,
     text: (p) => roof.read_bandwidth ? percent(p.bytes / p.seconds / roof.read_bandwidth) : 'absent', number: true}], rows: points});
  return h('article', {class: 'panel'}, head, roof.absent ? h('p', {class: 'verse'}, foreign(roof.absent)) : null, plot,
    h('ul', {class: 'keys'}, widths.map((w, i) => h('li', {}, svg('svg', {viewBox: '0 0 14 14', 'aria-hidden': 'true'}, svg('path', {d: kMarks[i % 3](7, 7), fill: `var(--${['cpu', 'more', 'fast'][i % 3]})`})),
      w === 1 ? '1 row: decoding' : w + ' rows: a prompt'))), h('div', {class: 'scroll'}, table));
}

function draw_roofline() {
  const roofs = receipt.rooflines || [];
  part('roofline', 'body').replaceChildren(
    roofs.length ? h('div', {class: 'panels'}, roofs.map(roof_panel)) : absent('Absent: this receipt has no times of stages.'),
    roofs.length ? h('p', {class: 'readout'}, 'The roof of arithmetic is absent: what the device computes at most was not measured.') : '');
}
