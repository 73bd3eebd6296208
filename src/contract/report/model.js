// What the receipt says, in the form that the pictures need.

const data = JSON.parse(document.getElementById('data').textContent);
const receipt = data.receipt;
const kPrecisions = ['exact', 'high', 'fast'];

const contract_of = (row) => data.contracts.find((c) => c.id === row.contract);
const falsifier_of = (row) => (contract_of(row)?.falsifiers || []).find((f) => f.id === row.falsifier);

// What the ids of a contract's falsifiers have before the name. Where the contract is not here: what they share.
const prefixes = {};
for (const row of receipt.rows) {
  const known = contract_of(row)?.prefix;
  if (known) { prefixes[row.contract] = known; continue; }
  const ids = receipt.rows.filter((r) => r.contract === row.contract).map((r) => r.falsifier);
  let shared = ids[0];
  for (const id of ids) while (!id.startsWith(shared)) shared = shared.slice(0, -1);
  if (ids.every((id) => id === shared)) shared = shared.replace(/[^-]*-\d+$/, '');
  prefixes[row.contract] = shared.slice(0, shared.lastIndexOf('-') + 1);
}
const short_id = (row) => row.falsifier.startsWith(prefixes[row.contract])
  ? row.falsifier.slice(prefixes[row.contract].length) : row.falsifier;

// The check that a row is of, by the names that all forward contracts share.
const rows_of = (name) => receipt.rows.filter((row) => short_id(row) === name);

// Known ones first, in the order of the design.
const backends = [...new Set([...receipt.asked, ...receipt.devices.map((d) => d.backend),
                              ...receipt.rows.map((r) => r.backend).filter((b) => b)])];
backends.sort((a, b) => (kTones.indexOf(a) + 99) % 99 - (kTones.indexOf(b) + 99) % 99);

// How much of its bound a figure uses up: 1 is the bound itself. No number is beyond every bound.
function used(bound, value) {
  if (value === null || value === undefined) return Infinity;
  if (bound.at_most !== undefined) return bound.at_most > 0 ? Math.max(0, value) / bound.at_most : value <= 0 ? 0 : Infinity;
  if (bound.at_least < 1) return Math.max(0, 1 - value) / (1 - bound.at_least);
  return value > 0 ? bound.at_least / value : Infinity;
}
const used_of = (bound) => used(bound, bound.value);
const want = (bound) => bound.at_most !== undefined ? '≤ ' + show(bound.at_most) : '≥ ' + show(bound.at_least);
// The bound of a row that is nearest to being left, or furthest beyond.
function tightest(row) {
  return row.bounds.reduce((worst, b) => !worst || used_of(b) > used_of(worst) ? b : worst, null);
}
const bound_of = (row, figure, precision) =>
  row.bounds.find((b) => b.figure === figure && b.precision === precision) ||
  row.bounds.find((b) => b.figure === figure && b.precision === null);
function reason_of(row, bound) {
  const same = (falsifier_of(row)?.thresholds || []).filter((t) =>
    t.figure === bound.figure && t.at_most === bound.at_most && t.at_least === bound.at_least &&
    (!t.backend || t.backend === row.backend) && (!t.device || t.device === row.device_kind));
  return (same.find((t) => t.precision === bound.precision) || same.find((t) => t.precision === null) || {}).reason || '';
}

const series_of = (row, name, precision) =>
  row.series.find((s) => s.name === name && s.precision === precision && s.values.length > 0);
const kWords = {HELD: ['is-held', 'held', '✓'], FALSIFIED: ['is-fallen', 'falsified', '✕'], SKIPPED: ['is-open', 'skipped', '–'],
                INCOMPLETE: ['is-open', 'incomplete', '–']};
const chip = (verdict, of = '') => h('span', {class: 'chip ' + kWords[verdict][0]}, kWords[verdict][2] + ' ' + of + kWords[verdict][1]);

// One precision at a time, in all pictures that have one; what is shown first is what went wrong first, else the default.
const precisions = kPrecisions.filter((p) =>
  receipt.rows.some((r) => r.figures.some((f) => f.precision === p)));
const broken = receipt.rows.flatMap((r) => r.bounds).find((b) => !b.holds && b.precision);
const state = {precision: broken?.precision || (precisions.includes('high') ? 'high' : precisions[0] || 'exact')};
const listeners = [];
function precision_control(node) {
  if (precisions.length < 2) return;
  const group = h('fieldset', {class: 'segments'});
  const draw = () => group.replaceChildren(...segments('Precision', kPrecisions.map((value) =>
    ({value, why: precisions.includes(value) ? null : 'not tried'})), state.precision, choose).flat());
  draw();
  listeners.push(() => {
    for (const input of group.querySelectorAll('input')) input.checked = input.value === state.precision;
  });
  node.append(group);
}
function choose(precision) {
  state.precision = precision;
  for (const listener of listeners) listener();
}
function on_precision(draw) { draw(); listeners.push(draw); }
