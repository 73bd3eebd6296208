// The page around the conversation.

function set_theme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
set_theme(store.theme());  // before anything is drawn

// Asks for a text, or, without a label, for a yes: the text, true, or null.
async function ask_dialog({title, about, label, value = '', action, type = 'text'}) {
  const dialog = $('#dialog'), form = $('form', dialog), field = form.elements.text;
  while (dialog.open) await new Promise((done) => dialog.addEventListener('close', done, {once: true}));
  const before = document.activeElement;
  $('h2', dialog).textContent = title;
  $('.about', dialog).textContent = about ?? '';
  $('label', dialog).hidden = !label;
  $('label span', dialog).textContent = label ?? '';
  $('.main', dialog).textContent = action;
  field.type = type;
  field.value = value;
  dialog.returnValue = '';
  $('.cancel', dialog).onclick = () => dialog.close('');
  dialog.showModal();
  if (label) field.select();
  return new Promise((resolve) => dialog.addEventListener('close', () => {
    if (before?.isConnected) before.focus();
    resolve(dialog.returnValue === 'yes' ? (label ? field.value : true) : null);
  }, {once: true}));
}

// Panels at the sides: beside the conversation where there is room, over it where there is none.
class Drawer {
  constructor(id, button, wide, on_show) {
    this.node = $('#' + id);
    this.button = $(button);
    this.wide = matchMedia(wide);
    this.on_show = on_show;
    this.is_wanted = read_stored('tercet.' + id, true);  // where there is room
    this.is_over = false;
    this.button.addEventListener('click', () => this.toggle());
    $('.close', this.node).addEventListener('click', () => this.close());
    this.wide.addEventListener('change', () => { this.is_over = false; this.update(); });
    this.update();
  }
  is_open() { return this.wide.matches ? this.is_wanted : this.is_over; }
  set(is_open) {
    if (this.wide.matches) write_stored('tercet.' + this.node.id, this.is_wanted = is_open);
    else this.is_over = is_open;
    this.update();
  }
  toggle() {
    this.set(!this.is_open());
    if (this.is_open() && !this.wide.matches) $('.close', this.node).focus();
  }
  close() {
    const had_focus = this.node.contains(document.activeElement);
    this.set(false);
    if (had_focus) this.button.focus();
  }
  update() {
    this.node.hidden = !this.is_open();
    this.button.setAttribute('aria-expanded', String(this.is_open()));
    this.node.classList.toggle('over', !this.wide.matches);
    const is_over = [...document.querySelectorAll('.drawer.over:not([hidden])')].length > 0;
    $('#veil').hidden = !is_over;
    $('#middle').inert = is_over;
    if (this.is_open()) this.on_show?.();
  }
}

class App {
  constructor() {
    this.view = new ChatView({changed: () => this.show_list(), busy: (is_busy) => this.show_busy(is_busy)});
    this.settings = new SettingsPanel($('#settings'), (settings) => this.keep_settings(settings));
    this.figures = new FiguresPanel($('#figures'));
    for (const place of document.querySelectorAll('[data-icon]')) place.prepend(icon(place.dataset.icon));
    segments($('#theme'), [['auto', 'Auto'], ['light', 'Light'], ['dark', 'Dark']], store.theme(), (theme) => { set_theme(theme); store.keep_theme(theme); });
    this.tab(read_stored('tercet.tab', 'figures'));
    segments($('#tabs'), [['figures', 'Figures'], ['settings', 'Settings']], read_stored('tercet.tab', 'figures'), (tab) => this.tab(tab));
    this.side = new Drawer('side', '#open-side', '(min-width: 52rem)');
    this.panel = new Drawer('panel', '#open-panel', '(min-width: 74rem)', () => this.figures.watch());
    this.listen();
    const last = location.hash.slice(1);
    this.open(store.load(last) ?? new_chat());
    this.show_list();
    this.meet();
  }

  tab(name) {
    write_stored('tercet.tab', name);
    $('#figures').hidden = name !== 'figures';
    $('#settings').hidden = name !== 'settings';
    this.figures.watch();
  }

  listen() {
    const ask = $('#ask'), main = $('#main');
    this.fit = grow(ask);
    ask.addEventListener('keydown', (event) => { if (sends(event)) { event.preventDefault(); this.submit(); } });
    ask.addEventListener('input', () => this.show_busy(this.view.is_busy()));
    $('#composer').addEventListener('submit', (event) => { event.preventDefault(); this.view.is_busy() ? this.view.stop() : this.submit(); });
    $('#new').addEventListener('click', () => { this.open(new_chat()); this.side.set(this.side.wide.matches && this.side.is_open()); ask.focus(); });
    main.addEventListener('scroll', () => { $('#latest').hidden = is_at_end(); }, {passive: true});
    $('#latest').addEventListener('click', () => { scroll_to_end(); ask.focus(); });
    $('#veil').addEventListener('click', () => this.close_drawers());
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || $('#dialog').open) return;
      if (!this.close_drawers()) this.view.stop();
    });
    document.addEventListener('visibilitychange', () => this.figures.watch());
    addEventListener('pagehide', () => { if (this.view.is_busy()) store.save(this.view.chat); });
    addEventListener('storage', () => this.show_list());
    addEventListener('hashchange', () => {
      const chat = store.load(location.hash.slice(1));
      if (chat && chat.id !== this.view.chat.id) this.open(chat);
    });
    this.show_busy(false);
  }
  close_drawers() {
    const over = [this.side, this.panel].filter((d) => d.is_open() && !d.wide.matches);
    for (const drawer of over) drawer.close();
    return over.length > 0;
  }

  submit() {
    const ask = $('#ask');
    if (!this.view.send(ask.value.trim())) return;
    ask.value = '';
    this.fit();
    this.show_busy(true);
  }

  show_busy(is_busy) {
    const send = $('#send');
    send.classList.toggle('stops', is_busy);
    send.setAttribute('aria-label', is_busy ? 'Stop' : 'Send');
    send.title = is_busy ? 'Stop (Esc)' : 'Send';
    send.classList.toggle('idle', !is_busy && $('#ask').value.trim() === '');
    send.replaceChildren(icon(is_busy ? 'stop' : 'send'));
    this.figures.follow(is_busy);
  }

  open(chat) {
    this.view.show(chat);
    this.settings.show(chat.settings ?? {});
    history.replaceState(null, '', chat.messages.length > 0 ? '#' + chat.id : location.pathname);
    this.show_list();
  }

  keep_settings(settings) {
    const {chat} = this.view;
    chat.settings = settings;
    store.keep_settings(settings);
    if (chat.messages.length > 0) store.save(chat);
  }

  show_list() {
    const at = document.activeElement?.closest('#list li')?.dataset.id;
    const which = document.activeElement?.getAttribute('aria-label');
    const {chat} = this.view;
    if (chat?.messages.length > 0 && location.hash !== '#' + chat.id) history.replaceState(null, '', '#' + chat.id);
    const entries = store.index();
    $('#side .none').hidden = entries.length > 0;
    $('#list').replaceChildren(...entries.map(({id, title}) => {
      const shown = title || 'Untitled';
      const is_open = id === chat?.id;
      return h('li', {'data-id': id, class: is_open ? 'current' : null},
        h('button', {type: 'button', class: 'entry', 'aria-current': is_open ? 'page' : null, title: shown, onclick: () => this.choose(id)}, shown),
        icon_button('edit', 'Rename ' + shown, () => this.rename(id, shown)),
        icon_button('trash', 'Delete ' + shown, () => this.remove(id, shown)));
    }));
    if (at) [...$('#list').querySelectorAll('button')].find((b) => b.closest('li').dataset.id === at && b.getAttribute('aria-label') === which)?.focus();
  }
  choose(id) {
    const chat = store.load(id);
    if (chat && id !== this.view.chat.id) this.open(chat);
    if (!this.side.wide.matches) this.side.close();
    $('#ask').focus();
  }
  async rename(id, old) {
    const title = await ask_dialog({title: 'Rename the conversation', label: 'Title', value: old, action: 'Rename'});
    if (!title?.trim()) return;
    store.rename(id, title.trim());
    if (this.view.chat.id === id) { this.view.chat.title = title.trim(); this.view.show_state(); }
    this.show_list();
  }
  async remove(id, title) {
    if (!await ask_dialog({title: 'Delete this conversation?', about: `“${title}” is kept in this browser alone. It cannot be had back.`, action: 'Delete'})) return;
    if (this.view.chat.id === id) { this.view.stop(); this.view.chat.messages = []; }
    store.remove(id);
    if (this.view.chat.id === id) this.open(new_chat());
    this.show_list();
    $('#new').focus();
    say('Deleted');
  }

  // Until the server has its model.
  async meet() {
    const starters = ['Write a function that merges two sorted lists.', 'Read a CSV file and add up a column.', 'Explain what a context manager does.'];
    $('.starters').replaceChildren(...starters.map((text) => h('li', null, h('button', {type: 'button', onclick: () => { this.view.send(text); $('#ask').focus(); }}, text))));
    const about = $('#welcome .model');
    for (;;) {
      try {
        const props = await (await fetch_well('/props')).json();
        about.textContent = `${props.model}, on ${props.device}`;
        this.settings.show_defaults(props);
        this.figures.show_props(props);
        $('#pulse').textContent = props.model;
        this.figures.watch();
        return;
      } catch (error) {
        about.textContent = error.status === 503 ? 'The model is being loaded…' : error.status === 401 ? 'This server wants an API key.' : error instanceof Refused ? error.message : 'The server does not answer.';
        if (error.status === 401) {
          about.append(' ', h('button', {type: 'button', class: 'plain', onclick: () => this.meet()}, 'Enter the key'));
          return;
        }
        await new Promise((done) => setTimeout(done, 1000));
      }
    }
  }
}

document.addEventListener('DOMContentLoaded', () => {
  const app = new App();
  // For tests: what draws markdown, and the page itself.
  window.tercet = {app, Markdown, render_markdown, Highlighter};
});
