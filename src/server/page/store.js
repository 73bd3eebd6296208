// What this browser keeps: conversations and settings in localStorage, the key for as long as the tab lives.

const kIndex = 'tercet.index', kSettings = 'tercet.settings', kTheme = 'tercet.theme', kKey = 'tercet.key';
const place_of = (id) => 'tercet.chat.' + id;

function read_stored(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}
// False where the browser has no room, or keeps nothing.
function write_stored(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

const store = {
  // Newest first: {id, title, time}.
  index: () => read_stored(kIndex, []).filter((entry) => typeof entry?.id === 'string'),
  load(id) {
    const chat = read_stored(place_of(id), null);
    if (!Array.isArray(chat?.messages)) return null;
    // Another version of this page may have written it, or somebody else.
    const messages = chat.messages.filter((m) => (m?.role === 'user' || m?.role === 'assistant') && typeof m.content === 'string');
    return {id, title: String(chat.title ?? ''), messages, settings: typeof chat.settings === 'object' && chat.settings !== null ? chat.settings : {}};
  },
  save(chat) {
    const entry = {id: chat.id, title: chat.title, time: Date.now()};
    return write_stored(place_of(chat.id), chat) && write_stored(kIndex, [entry, ...store.index().filter((e) => e.id !== chat.id)]);
  },
  rename(id, title) {
    write_stored(kIndex, store.index().map((e) => (e.id === id ? {...e, title} : e)));
    const chat = store.load(id);
    if (chat) write_stored(place_of(id), {...chat, title});
  },
  remove(id) {
    write_stored(kIndex, store.index().filter((e) => e.id !== id));
    localStorage.removeItem(place_of(id));
  },
  settings() {
    const settings = read_stored(kSettings, {});
    return typeof settings === 'object' ? settings : {};
  },
  keep_settings: (settings) => write_stored(kSettings, settings),
  theme: () => read_stored(kTheme, 'auto'),
  keep_theme: (theme) => write_stored(kTheme, theme),
  key: () => sessionStorage.getItem(kKey) ?? '',
  keep_key: (key) => sessionStorage.setItem(kKey, key),
};

const new_id = () => Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(36).padStart(2, '0')).join('');
const new_chat = () => ({id: new_id(), title: '', messages: [], settings: store.settings()});
