// What the report's parts are made of: names, words for numbers, colours.

const foreign = (text) => h('span', {class: 'foreign'}, text);
// A name or a number that is broken over two lines only where it is longer than one.
const unit = (text) => h('span', {class: 'unit'}, text);
const part = (id, what) => document.querySelector('#' + id + ' .' + what);

// "5.8e-4", "0.0123", "1 - 2.3e-7": a cosine of 0.9999997 must not read as 1.
function show(x) {
  if (x === null || x === undefined) return 'not a number';
  if (x === 0) return '0';
  if (x > 0.999 && x < 1) return '1 - ' + show(1 - x);
  if (x > 0.9 && x < 1) return String(Number(x.toPrecision(4)));
  const size = Math.abs(x);
  if (size >= 1e-3 && size < 1e5) return String(Number(x.toPrecision(3)));
  return x.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
}
function percent(share) {
  if (!Number.isFinite(share)) return 'no number';
  const p = 100 * share;
  return p === 0 ? '0 %' : p < 0.01 ? '< 0.01 %' : p >= 1000 ? Math.round(share) + ' ×' : Number(p.toPrecision(2)) + ' %';
}
const largest = (values) => values.reduce((a, b) => Math.max(a, b), 1);
const plural = (n, one, many) => count(n) + ' ' + (n === 1 ? one : many);
function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let u = 0;
  for (; n >= 1024 && u < 4; ++u) n /= 1024;
  return Number(n.toPrecision(3)) + ' ' + units[u];
}

// Draws again whenever its width or the colours change: `draw` gets the width in CSS pixels.
const redraws = [];
function responsive(node, draw) {
  let width = 0;
  const again = () => { if (width > 0) draw(width); };
  redraws.push(again);
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now !== width) { width = now; again(); }
  }).observe(node);
  return again;
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
function mix(a, b, t) {
  const at = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  return 'rgb(' + [0, 1, 2].map((i) => Math.round(at(a, i) + (at(b, i) - at(a, i)) * t)).join(' ') + ')';
}
// The colour at t in 0..1 of a row of colours.
function ramp(stops, t) {
  const x = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(x), stops.length - 2);
  return mix(stops[i], stops[i + 1], x - i);
}

// A group of radio buttons that look like one switch.
let n_group = 0;
function segments(legend, choices, chosen, on_choice) {
  const name = 'segments-' + n_group++;
  return [h('legend', {class: 'unseen'}, legend), choices.map((c) =>
    h('label', {title: c.why},
      h('input', {type: 'radio', name, value: c.value, checked: c.value === chosen, disabled: !!c.why,
                  onchange: () => on_choice(c.value)}), c.label || c.value))];
}

const kTones = ['cpu', 'cuda', 'wgpu', 'ref'];
const tone = (backend) => kTones.includes(backend) ? 'tone-' + backend : '';
const backend_name = (backend) => [h('i', {class: 'dot ' + tone(backend), 'aria-hidden': 'true'}), foreign(backend)];
const absent = (why) => h('p', {class: 'absent'}, why);
