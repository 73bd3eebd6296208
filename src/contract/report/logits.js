// Logits of two passes, one against the other, and what is left without the diagonal.

function floats(base64) {
  const text = atob(base64);
  const raw = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) raw[i] = text.charCodeAt(i);
  return new Float32Array(raw.buffer);
}

// A round step of which about n fit into the range.
function ticks(low, high, n) {
  const rough = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  const out = [];
  for (let t = Math.ceil(low / step) * step; t <= high + step / 1e6; t += step) out.push(Math.abs(t) < step / 1e6 ? 0 : t);
  return out;
}
const range = (values) => {
  let low = Infinity, high = -Infinity;
  for (const v of values) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
  if (low > high) [low, high] = [0, 1];
  const pad = (high - low || 1) * 0.04;
  return [low - pad, high + pad];
};
const points_path = (list, x, y) => list.map((i) => `M${x(i).toFixed(1)} ${y(i).toFixed(1)}h0`).join('');

function draw_logits() {
  const body = part('logits', 'body');
  const vectors = data.logits.vectors.map((v) => ({...v, name: v.precision ? v.backend + ' ' + v.precision : v.backend, values: floats(v.f32)}));
  if (vectors.length < 2) { body.replaceChildren(absent('There are no logits of two passes in this receipt.')); return; }
  const ids = data.logits.ids;
  const id_of = (i) => ids ? ids[i] : i;
  let [x, y] = [vectors[0], vectors.find((v) => v.precision === state.precision && v.backend !== 'cpu') ||
                            vectors.find((v) => v.precision === state.precision) || vectors[1]];
  const pick = (label, chosen, on_change) => h('label', {class: 'pick'}, label, h('select', {onchange: (event) => { on_change(vectors[event.target.value]); update(); }},
    vectors.map((v, i) => h('option', {value: i, selected: v === chosen}, v.name))));
  part('logits', 'controls').replaceChildren(pick('Across', x, (v) => { x = v; }), pick('Up', y, (v) => { y = v; }));

  const facts = h('p', {class: 'verse'});
  const tops = h('div', {class: 'scroll'});
  const upper = h('div', {class: 'plot', tabindex: '0', role: 'application', 'aria-roledescription': 'scatter'});
  const lower = h('div', {class: 'plot'});
  const readout = h('p', {class: 'readout', 'aria-live': 'polite'});
  let finite = [], worst = [], at = -1;
  const difference = (i) => y.values[i] - x.values[i];

  function plot(node, width, tall, y_of, y_name, is_upper) {
    const [left, bottom, top] = [48, 34, 8];
    const [x0, x1] = range(finite.map((i) => x.values[i]));
    const [y0, y1] = is_upper ? range(finite.flatMap((i) => [x.values[i], y.values[i]])) : range(finite.map(y_of).concat([0]));
    const sx = (v) => left + (v - x0) / (x1 - x0) * (width - left - 8);
    const sy = (v) => top + (y1 - v) / (y1 - y0) * (tall - top - bottom);
    const px = (i) => sx(x.values[i]), py = (i) => sy(y_of(i));
    const dot = finite.length > 3000 ? 2.8 : 3.6;
    const clip = Math.max(x0, y0), end = Math.min(x1, y1);
    node.replaceChildren(svg('svg', {viewBox: `0 0 ${width} ${tall}`, height: tall, role: 'img',
        'aria-label': `${y_name} beside ${x.name}, ${count(finite.length)} entries of the vocabulary`},
      ticks(y0, y1, 5).map((t) => [svg('path', {class: 'grid', d: `M${left} ${sy(t)}H${width - 8}`}), svg('text', {x: left - 7, y: sy(t) + 4, 'text-anchor': 'end'}, show(t))]),
      ticks(x0, x1, Math.max(3, width / 110)).map((t) => [svg('path', {class: 'grid', d: `M${sx(t)} ${top}V${tall - bottom}`}), svg('text', {x: sx(t), y: tall - bottom + 15, 'text-anchor': 'middle'}, show(t))]),
      svg('text', {x: width - 8, y: tall - 4, 'text-anchor': 'end', class: 'name'}, x.name),
      svg('text', {x: left + 7, y: top + 13, class: 'name halo'}, y_name),
      is_upper && end > clip ? svg('path', {class: 'axis', d: `M${sx(clip)} ${sy(clip)}L${sx(end)} ${sy(end)}`}) : null,
      is_upper ? null : svg('path', {class: 'axis', d: `M${left} ${sy(0)}H${width - 8}`}),
      svg('path', {d: points_path(finite, px, py), stroke: `var(--${kTones.includes(y.backend) ? y.backend : 'ref'})`, 'stroke-width': dot, 'stroke-linecap': 'round', 'stroke-opacity': finite.length > 3000 ? 0.45 : 0.6, fill: 'none'}),
      at >= 0 ? svg('circle', {cx: px(at), cy: py(at), r: 5, fill: 'none', stroke: 'var(--ink)', 'stroke-width': 2}) : null));
    node.place = (i) => [px(i), py(i)];
  }
  const draw_upper = responsive(upper, (w) => plot(upper, w, Math.min(w, 430), (i) => y.values[i], y.name, true));
  const draw_lower = responsive(lower, (w) => plot(lower, w, Math.min(w, 430), difference, y.name + ' less ' + x.name, false));

  function go(i) {
    if (i === undefined || i === at) return;
    at = i;
    readout.replaceChildren(h('b', {}, 'Token ' + id_of(i)), `: ${show(x.values[i])} by ${x.name}, ${show(y.values[i])} by ${y.name}; difference ${show(difference(i))}, the ${ordinal(worst.indexOf(i) + 1)} largest.`);
    draw_upper(); draw_lower();
  }
  const ordinal = (n) => count(n) + (n % 100 >= 11 && n % 100 <= 13 ? 'th' : ['th', 'st', 'nd', 'rd'][n % 10] || 'th');
  for (const node of [upper, lower])
    node.addEventListener('pointermove', (event) => {
      const frame = node.getBoundingClientRect();
      let best, least = 400;
      for (const i of finite) {
        const [px, py] = node.place(i);
        const d = (px - event.clientX + frame.left) ** 2 + (py - event.clientY + frame.top) ** 2;
        if (d < least) [best, least] = [i, d];
      }
      go(best);
    });
  upper.addEventListener('keydown', (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1}[event.key];
    if (!step) return;
    event.preventDefault();
    go(worst[Math.min(Math.max(worst.indexOf(at) + step, 0), worst.length - 1)]);
  });

  function update() {
    at = -1;
    finite = [];
    let [dot, xx, yy, dd] = [0, 0, 0, 0];
    for (let i = 0; i < x.values.length; ++i) {
      if (!Number.isFinite(x.values[i]) || !Number.isFinite(y.values[i])) continue;
      finite.push(i);
      dot += x.values[i] * y.values[i]; xx += x.values[i] ** 2; yy += y.values[i] ** 2; dd += difference(i) ** 2;
    }
    worst = [...finite].sort((a, b) => Math.abs(difference(b)) - Math.abs(difference(a)));
    const by = (v) => [...finite].sort((a, b) => v.values[b] - v.values[a]).slice(0, 5);
    const [top_x, top_y] = [by(x), by(y)];
    const lost = x.values.length - finite.length;
    facts.replaceChildren(h('b', {}, 'Cosine ' + show(Math.min(1, dot / Math.sqrt(xx * yy)))), `, relative L2 ${show(Math.sqrt(dd / xx))}. `,
      top_x[0] === top_y[0] ? `Both think token ${id_of(top_x[0])} the most probable.` : `The most probable token is another: ${id_of(top_x[0])} and ${id_of(top_y[0])}.`,
      ids ? ` ${count(ids.length)} of ${count(data.logits.n_vocab)} entries are drawn, those that differ most among them.` : '',
      lost ? h('b', {class: 'is-fallen'}, ` ${plural(lost, 'entry is', 'entries are')} no number.`) : '');
    tops.replaceChildren(h('table', {}, h('caption', {}, 'The five most probable tokens'), h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, '#'), h('th', {scope: 'col'}, foreign(x.name)), h('th', {scope: 'col'}, foreign(y.name)))),
      h('tbody', {}, top_x.map((i, k) => h('tr', {}, h('td', {}, k + 1), h('td', {}, h('span', {class: 'number'}, `${id_of(i)} (${show(x.values[i])})`)),
        h('td', {}, h('span', {class: 'number'}, `${id_of(top_y[k])} (${show(y.values[top_y[k]])})`)))))));
    readout.replaceChildren('Point at a dot, or go through the largest differences with the arrow keys.');
    upper.setAttribute('aria-label', `Logits of ${y.name} against ${x.name}. Arrow keys go through the largest differences.`);
    draw_upper(); draw_lower();
  }
  update();
  body.replaceChildren(h('article', {class: 'panel'}, facts, h('div', {class: 'pair'}, upper, lower), readout), tops);
}
