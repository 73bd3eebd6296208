// Puts the page together, and switches its colours.

const kThemeKey = 'tercet-report-theme';
// Where a page may keep nothing, it begins as the system is.
function stored_theme() {
  try { return localStorage.getItem(kThemeKey) || 'auto'; } catch { return 'auto'; }
}
function set_theme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try { localStorage.setItem(kThemeKey, theme); } catch { /* it lasts as long as the page */ }
  for (const redraw of redraws) redraw();
}
const theme = ['light', 'dark'].includes(stored_theme()) ? stored_theme() : 'auto';
set_theme(theme);
document.getElementById('theme').append(...segments('Colours', [{value: 'auto', label: 'Auto'}, {value: 'light', label: 'Light'},
  {value: 'dark', label: 'Dark'}], theme, set_theme).flat().slice(1));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const redraw of redraws) redraw(); });
matchMedia('print').addEventListener('change', () => { for (const redraw of redraws) redraw(); });

for (const draw of [draw_verdict, draw_falsifiers, draw_taps, draw_experts, draw_logits, draw_kl, draw_roofline, draw_figures, draw_contracts]) draw();
document.querySelector('footer').append(h('p', {}, 'Made by tercet contract report from a receipt of ', foreign(receipt.made_at),
  '. This page is one file and asks for nothing from anywhere.'));
