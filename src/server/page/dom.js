// What the page's parts are made of: icons, buttons, copying, times.

const $ = (selector, within = document) => within.querySelector(selector);

const kIcons = {
  close: 'M4 4l8 8M12 4l-8 8', plus: 'M8 3v10M3 8h10', menu: 'M2.5 4.5h11M2.5 8h7.5M2.5 11.5h9.5', down: 'M8 3v10M4 9l4 4 4-4',
  panel: 'M3 5h4M11 5h2M3 11h2M9 11h4M9 3.2v3.6M7 9.2v3.6', send: 'M8 13V3M3.8 7.2L8 3l4.2 4.2',
  copy: 'M6 6h7v7H6zM3 10V3h7', done: 'M3 8.5l3.2 3.2L13 5', retry: 'M12.6 6.2A5 5 0 1 0 13 9M12.8 2.8v3.5H9.3', edit: 'M3 13l.6-2.9L10.7 3l2.3 2.3L5.9 12.4z',
  trash: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5',
};
function icon(name) {
  const out = svg('svg', {viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true', focusable: 'false'});
  if (name === 'stop') out.append(svg('rect', {x: 4, y: 4, width: 8, height: 8, rx: 1.5, fill: 'currentColor'}));
  else out.append(svg('path', {d: kIcons[name], fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5, 'stroke-linecap': 'round', 'stroke-linejoin': 'round'}));
  return out;
}
// A button that is a picture and says its name.
const icon_button = (name, label, onclick, more) =>
  h('button', {type: 'button', class: 'icon', 'aria-label': label, title: label, onclick, ...more}, icon(name));

// A group of radio buttons that look like one switch.
let n_group = 0;
function segments(holder, choices, chosen, on_choice) {
  const name = 'segments-' + n_group++;
  holder.append(...choices.map(([value, label]) =>
    h('label', null, h('input', {type: 'radio', name, value, checked: value === chosen, onchange: () => on_choice(value)}), h('span', null, label))));
}

async function copy_text(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that are not of this machine and not of HTTPS have no clipboard but this.
    const field = h('textarea', {class: 'unseen', readonly: true});
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
}
function copy_button(label, text_of, more) {
  const button = icon_button('copy', label, async () => {
    const at = document.activeElement;
    await copy_text(text_of());
    at?.focus();
    button.replaceChildren(icon('done'));
    say('Copied');
    setTimeout(() => button.replaceChildren(icon('copy')), 1500);
  }, more);
  return button;
}

// To who hears the page instead of seeing it.
function say(text) {
  const place = $('#say');
  place.textContent = place.textContent === text ? text + '\u00a0' : text;
}

function seconds(s) {
  if (!Number.isFinite(s)) return '–';
  return s < 0.00995 ? (1000 * s).toFixed(1) + ' ms' : s < 0.9995 ? Math.round(1000 * s) + ' ms' : s < 60 ? s.toFixed(1) + ' s' : Math.floor(s / 60) + ' min ' + Math.round(s % 60) + ' s';
}
