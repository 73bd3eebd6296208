// What stages reach beside what the memory and the arithmetic allow: performance over arithmetic intensity, both logarithmic.

const kMarks = [(x, y) => `M${x - 4.5} ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0`, (x, y) => `M${x - 4} ${y - 4}h8v8h-8z`, (x, y) => `M${x} ${y - 5.5}l5.5 9.5h-11z`];
const kHues = ['cpu', 'more', 'fast'];

// 0.00012 s as 120 µs, 26500 GFLOP/s as 26.5 TFLOP/s.
const show_time = (seconds) => seconds < 1e-3 ? show(seconds * 1e6) + ' µs' : show(seconds * 1e3) + ' ms';
const show_rate = (gflops) => gflops < 1e3 ? show(gflops) + ' GFLOP/s' : show(gflops / 1e3) + ' TFLOP/s';

// What a device does at most at an intensity, in GFLOP/s; Infinity where nothing was measured that would hold it.
function roof_at(roof, intensity) {
  return Math.min(roof.read_bandwidth ? intensity * roof.read_bandwidth / 1e9 : Infinity, most_of(roof) ?? Infinity);
}

// GFLOP/s; null in receipts that have none.
function most_of(roof) {
  return roof.arithmetic?.flops_per_second > 0 ? roof.arithmetic.flops_per_second / 1e9 : null;
}

// The corners of the roof within x0..x1, in logarithms: up as far as reads allow, then level.
function roof_line(roof, x0, x1) {
  const most = most_of(roof);
  const ridge = most && roof.read_bandwidth ? Math.log10(most * 1e9 / roof.read_bandwidth) : null;
  const corners = [x0, ...(ridge !== null && ridge > x0 && ridge < x1 ? [ridge] : []), x1];
  return corners.map((x) => [x, Math.log10(roof_at(roof, 10 ** x))]).filter(([, y]) => Number.isFinite(y));
}

function roof_panel(roof) {
  const points = roof.points.filter((p) => p.seconds > 0 && p.bytes > 0).map((p) => ({...p, x: p.flops / p.bytes, y: p.flops / p.seconds / 1e9}));
  const drawn = points.filter((p) => p.x > 0);
  const widths = [...new Set(points.map((p) => p.n_row))].sort((a, b) => a - b);
  const most = most_of(roof);
  const head = h('header', {}, h('h3', {}, backend_name(roof.backend)),
    h('p', {}, [roof.read_bandwidth ? `reads ${show(roof.read_bandwidth / 1e9)} GB/s` : '', most ? `computes ${show_rate(most)}` : ''].filter(Boolean).join(', ') +
      (roof.read_bandwidth || most ? ', measured; ' : '') + roof.precision));
  const basis = most ? h('p', {class: 'readout'}, 'The level roof: ', foreign(roof.arithmetic.what), '.') : null;
  if (!drawn.length) return h('article', {class: 'panel'}, head, absent(roof.absent || 'No stage was measured.'), basis);
  const plot = h('div', {class: 'plot'});
  const decade = (values, round, by) => round(by(...values.map((v) => Math.log10(v))) + (by === Math.max ? 0.12 : -0.12));
  const across = drawn.map((p) => p.x).concat(most && roof.read_bandwidth ? [most * 1e9 / roof.read_bandwidth] : []);
  const [x0, x1] = [decade(across, Math.floor, Math.min), decade(across, Math.ceil, Math.max)];
  const reach = drawn.map((p) => p.y).concat(across.map((x) => roof_at(roof, x)).filter(Number.isFinite));
  const [y0, y1] = [decade(reach, Math.floor, Math.min), decade(reach, Math.ceil, Math.max)];
  responsive(plot, (width) => {
    const [left, top, bottom] = [46, 22, 36];
    const tall = Math.min(360, Math.max(260, width * 0.62));
    const sx = (v) => left + (v - x0) / (x1 - x0) * (width - left - 12);
    const sy = (v) => top + (y1 - v) / (y1 - y0) * (tall - top - bottom);
    const lines = [];
    for (let e = y0; e <= y1; ++e) lines.push(svg('path', {class: 'grid', d: `M${left} ${sy(e)}H${width - 12}`}), svg('text', {x: left - 7, y: sy(e) + 4, 'text-anchor': 'end'}, show(10 ** e)));
    for (let e = x0; e <= x1; ++e) lines.push(svg('path', {class: 'grid', d: `M${sx(e)} ${top}V${tall - bottom}`}), svg('text', {x: sx(e), y: tall - bottom + 15, 'text-anchor': 'middle'}, show(10 ** e)));
    // Of the slope, log y = log x + log bandwidth, what is within the frame; the level roof is.
    const rise = roof.read_bandwidth ? Math.log10(roof.read_bandwidth / 1e9) : null;
    const [from, to] = [rise === null ? x0 : Math.max(x0, y0 - rise), rise === null || most ? x1 : Math.min(x1, y1 - rise)];
    const roofs = from < to ? roof_line(roof, from, to).map(([x, y]) => `${sx(x)} ${sy(y)}`) : [];
    // Where names may not stand: [left, base line, width].
    const taken = drawn.map((p) => [sx(Math.log10(p.x)) - 5, sy(Math.log10(p.y)) + 5, 10]);
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
    const hue = (p) => widths.indexOf(p.n_row) % 3;
    plot.replaceChildren(svg('svg', {viewBox: `0 0 ${width} ${tall}`, height: tall, role: 'img',
        'aria-label': `Roofline of ${roof.backend}; the table under it has the same figures`}, lines,
      svg('text', {x: width - 12, y: tall - 4, 'text-anchor': 'end', class: 'name'}, 'FLOP a byte'), svg('text', {x: left, y: 11, class: 'name'}, 'GFLOP/s'),
      roofs.length > 1 ? svg('path', {class: 'roof', d: 'M' + roofs.join('L'), stroke: 'var(--ink)', 'stroke-width': 2, 'stroke-linejoin': 'round', fill: 'none'}) : null,
      // A whole step stands among its stages: it is named first.
      [...drawn].sort((a, b) => (b.stage === 'step') - (a.stage === 'step')).map((p) => name_at(sx(Math.log10(p.x)), sy(Math.log10(p.y)), p.stage)),
      drawn.map((p) => svg('path', {d: kMarks[hue(p)](sx(Math.log10(p.x)), sy(Math.log10(p.y))), fill: `var(--${kHues[hue(p)]})`},
        svg('title', {}, `${p.stage}, ${plural(p.n_row, 'row', 'rows')}: ${show_rate(p.y)} at ${show(p.x)} FLOP a byte`)))));
  });
  const share = (name, of, is_there) => ({name, of: (p) => is_there ? of(p) : -1, text: (p) => is_there ? percent(of(p)) : 'absent', number: true});
  const table = sortable({caption: 'Each stage of a step, all layers together', columns: [
    {name: 'Stage', of: (p) => p.stage}, {name: 'Rows', of: (p) => p.n_row, number: true},
    {name: 'Time', of: (p) => p.seconds, text: (p) => show_time(p.seconds), number: true},
    {name: 'GB/s', of: (p) => p.bytes / p.seconds / 1e9, number: true}, {name: 'GFLOP/s', of: (p) => p.y, number: true},
    share('Of the reads', (p) => p.bytes / p.seconds / roof.read_bandwidth, roof.read_bandwidth),
    share('Of the arithmetic', (p) => p.y / most, most)], rows: points});
  return h('article', {class: 'panel'}, head, roof.absent ? h('p', {class: 'verse'}, foreign(roof.absent)) : null, plot,
    h('ul', {class: 'keys'}, widths.map((w, i) => h('li', {}, svg('svg', {viewBox: '0 0 14 14', 'aria-hidden': 'true'}, svg('path', {d: kMarks[i % 3](7, 7), fill: `var(--${kHues[i % 3]})`})),
      w === 1 ? '1 row: decoding' : w + ' rows: a prompt'))), basis, h('div', {class: 'scroll'}, table));
}

function draw_roofline() {
  const roofs = receipt.rooflines || [];
  const notes = [];
  if (roofs.some((r) => r.points.length)) notes.push('Stages are timed one after the other, each alone on its device; "step" is a whole one, whose stages overlap.');
  const without = roofs.filter((r) => !most_of(r)).map((r) => r.backend);
  if (without.length) notes.push(`The roof of arithmetic is absent for ${without.join(', ')}: what the device computes at most was not measured.`);
  part('roofline', 'body').replaceChildren(
    roofs.length ? h('div', {class: 'panels'}, roofs.map(roof_panel)) : absent('Absent: this receipt has no times of stages.'),
    ...notes.map((note) => h('p', {class: 'readout'}, note)));
}
