// A map of cells on a canvas, for pointer and keyboard alike. A cell is {x, y, w, h, color, label, mark}: a place in
// units of the grid, a function for its colour, what the readout says, and 'ring' or 'hatch'.

function cell_map(options) {
  const {columns, rows, name, gutter = 0, most = 40, tallest = 24, least = 3} = options;
  const canvas = h('canvas', {tabindex: '0', role: 'application', 'aria-roledescription': 'map', 'aria-label': name});
  const readout = h('p', {class: 'readout', 'aria-live': 'polite'}, options.hint);
  const box = h('div', {class: 'map'}, canvas);
  let cells = options.cells;
  let at = null;
  let size = {w: 1, h: 1, left: 0, top: 0};

  const place = (cell) => ({
    x: size.left + cell.x * size.w, y: size.top + cell.y * size.h, w: cell.w * size.w, h: cell.h * size.h});
  function draw(width) {
    const left = width < 420 ? Math.min(gutter, 62) : gutter;
    const w = Math.min((width - left) / columns, most);
    const height = Math.max(least, Math.min(w, tallest));
    const top = options.column_label ? 16 : 0;
    size = {w, h: height, left, top};
    const scale = window.devicePixelRatio || 1;
    const tall = Math.ceil(rows * height + top) + 2;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(tall * scale);
    canvas.style.height = tall + 'px';
    const c = canvas.getContext('2d');
    c.scale(scale, scale);
    c.clearRect(0, 0, width, tall);
    labels(c);
    for (const cell of cells) paint(c, cell);
    for (const cell of cells) if (cell.mark === 'ring') outline(c, cell, color('ink'), 2);
    if (at) outline(c, at, color('ink'), 1.5);
  }
  function paint(c, cell) {
    const p = place(cell);
    const gap = Math.min(size.w, size.h) >= 7 ? 1 : Math.min(size.w, size.h) >= 4 ? 0.5 : 0;
    c.fillStyle = cell.color();
    c.beginPath();
    c.roundRect(p.x + gap, p.y + gap, Math.max(p.w - 2 * gap, 0.5), Math.max(p.h - 2 * gap, 0.5), gap ? Math.min(2.5, p.h / 4) : 0);
    c.fill();
    if (!cell.beyond || p.w < 7 || p.h < 7) return;
    // Not by colour alone: what is beyond its bound is crossed.
    const r = Math.min(p.w, p.h) / 5;
    const [x, y] = [p.x + p.w / 2, p.y + p.h / 2];
    c.strokeStyle = color('paper');
    c.lineWidth = 1.5;
    c.beginPath();
    c.moveTo(x - r, y - r); c.lineTo(x + r, y + r);
    c.moveTo(x + r, y - r); c.lineTo(x - r, y + r);
    c.stroke();
  }
  function outline(c, cell, stroke, width) {
    const p = place(cell);
    c.strokeStyle = color('raised');
    c.lineWidth = width + 2;
    c.strokeRect(p.x, p.y, p.w, p.h);
    c.strokeStyle = stroke;
    c.lineWidth = width;
    c.strokeRect(p.x, p.y, p.w, p.h);
  }
  function labels(c) {
    c.font = '11px ui-monospace, Menlo, "DejaVu Sans Mono", monospace';
    c.fillStyle = color('soft');
    c.textBaseline = 'middle';
    const every = Math.ceil(11 / size.h);
    for (let r = 0; r < rows && options.row_label; r += every)
      c.fillText(options.row_label(r, size.left), 0, size.top + (r + 0.5) * size.h, size.left - 4);
    if (!options.column_label) return;
    let free = -1;
    c.textAlign = 'center';
    for (let x = 0; x < columns; ++x) {
      const text = options.column_label(x);
      const middle = size.left + (x + 0.5) * size.w;
      const half = c.measureText(text).width / 2 + 3;
      if (text === '' || middle - half < free) continue;
      c.fillText(text, Math.min(middle, size.left + columns * size.w - half + 3), 7);
      free = middle + half;
    }
    c.textAlign = 'left';
  }

  const redraw = responsive(box, draw);
  const find = (x, y) => cells.find((cell) => x >= cell.x && x < cell.x + cell.w && y >= cell.y && y < cell.y + cell.h);
  function go(cell) {
    if (!cell || cell === at) return;
    at = cell;
    readout.replaceChildren(...[cell.label()].flat(Infinity));
    redraw();
  }
  canvas.addEventListener('pointermove', (event) => {
    const frame = canvas.getBoundingClientRect();
    go(find((event.clientX - frame.left - size.left) / size.w, (event.clientY - frame.top - size.top) / size.h));
  });
  const first = () => cells.find((cell) => cell.mark === 'ring') || cells[0];
  canvas.addEventListener('focus', () => { if (!at) go(first()); });
  canvas.addEventListener('keydown', (event) => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    const edge = {Home: () => cells[0], End: () => cells[cells.length - 1]}[event.key];
    if (!step && !edge) return;
    event.preventDefault();
    if (edge || !at) return go(edge ? edge() : first());
    const inside = (v, low, high) => Math.min(Math.max(v, low), high - 1e-6);
    const x = step[0] < 0 ? at.x - 0.5 : step[0] > 0 ? at.x + at.w + 0.5 : at.x + 0.5;
    const y = step[1] < 0 ? at.y - 0.5 : step[1] > 0 ? at.y + at.h + 0.5 : at.y + 0.5;
    go(find(inside(x, 0, columns), inside(y, 0, rows)));
  });
  return {node: box, readout, set_cells(now) { cells = now; at = null; readout.replaceChildren(options.hint); redraw(); }};
}

// The colours of errors: four decades below the bound, then alarm.
function heat_of(share) {
  if (!Number.isFinite(share)) return color('alarm-1');
  if (share > 1) return ramp([color('alarm-0'), color('alarm-1')], Math.log10(share) / 2);
  if (share <= 0) return color('heat-0');
  return ramp([color('heat-0'), color('heat-1'), color('heat-2'), color('heat-3')], 1 + Math.log10(share) / 4);
}
// A strip of colours with words under it; `shades` are functions, since the colours change.
function scale(shades, ticks, name) {
  const strip = h('div', {class: 'ramp', role: 'img', 'aria-label': name});
  const paint = () => strip.replaceChildren(...shades.map((shade) => {
    const step = h('i');
    step.style.background = shade();
    return step;
  }));
  paint();
  redraws.push(paint);
  return h('div', {class: 'scale'}, strip, h('div', {class: 'ticks', 'aria-hidden': 'true'}, ticks.map((t) => h('span', {}, t))));
}
