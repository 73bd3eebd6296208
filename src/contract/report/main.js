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

// A receipt may be odd in one part; the others are drawn all the same.
for (const [id, draw] of Object.entries({falsifiers: draw_falsifiers, taps: draw_taps, experts: draw_experts, logits: draw_logits, kl: draw_kl,
  roofline: draw_roofline, figures: draw_figures, contracts: draw_contracts, verdict: draw_verdict})) {
  try { draw(); } catch (problem) {
    console.error(problem);
    const where = part(id, 'body') || document.getElementById(id);
    where.replaceChildren(absent('This part could not be drawn: ' + problem.message));
  }
}
document.querySelector('footer').append(h('p', {}, 'Made by tercet contract report from a receipt of ', foreign(receipt.made_at),
  '. This page is one file and asks for nothing from anywhere.'));
