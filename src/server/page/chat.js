// The conversation that is shown: asking, stopping, asking again.

const sends = (event) => event.key === 'Enter' && !event.shiftKey && !event.isComposing && !matchMedia('(pointer: coarse)').matches;

// A field as high as its text.
function grow(field) {
  const fit = () => {
    field.style.height = 'auto';
    field.style.height = field.scrollHeight + 2 + 'px';
  };
  field.addEventListener('input', fit);
  requestAnimationFrame(fit);
  return fit;
}

const is_at_end = () => { const m = $('#main'); return m.scrollHeight - m.scrollTop - m.clientHeight < 60; };
const scroll_to_end = () => { const m = $('#main'); m.scrollTop = m.scrollHeight; };

function title_of(text) {
  const line = text.trim().split('\n')[0];
  return line.length > 60 ? line.slice(0, 57).trimEnd() + '…' : line;
}

class ChatView {
  // `on`: {changed, busy}.
  constructor(on) {
    this.on = on;
    this.chat = null;
    this.abort = null;  // of the answer that is coming
    this.live = null;   // the one that came last
    this.log = $('#log');
  }

  is_busy() { return this.abort !== null; }

  show(chat) {
    this.stop();
    this.chat = chat;
    this.log.replaceChildren(...chat.messages.map((message, i) => this.turn(message, i)));
    this.show_state();
    scroll_to_end();
  }
  show_state() {
    $('#welcome').hidden = this.chat.messages.length > 0;
    $('#title').textContent = this.chat.title || 'New conversation';
    document.title = (this.chat.title ? this.chat.title + ' · ' : '') + 'Tercet';
  }

  turn(message, i) {
    return message.role === 'user' ? user_turn(message, {edit: () => this.edit(i)}) : answer_turn(message, {retry: () => this.retry(i)});
  }

  save() {
    if (!store.save(this.chat)) say('The browser has no room for this conversation: it lasts until the page is closed.');
    this.on.changed();
  }

  send(text) {
    if (this.is_busy() || text.trim() === '') return false;
    if (this.chat.title === '') this.chat.title = title_of(text);
    this.chat.messages.push({role: 'user', content: text});
    this.log.append(this.turn(this.chat.messages.at(-1), this.chat.messages.length - 1));
    this.show_state();
    this.answer();
    return true;
  }

  // Everything from message `i` on goes, here and on the page.
  cut(i) {
    this.stop();
    this.chat.messages.length = i;
    while (this.log.children.length > i) this.log.lastChild.remove();
  }
  retry(i) {
    this.cut(i);
    this.answer();
    $('#ask').focus();
  }
  edit(i) {
    if (this.is_busy()) return;
    const message = this.chat.messages[i];
    const shown = this.log.children[i];
    const back = () => {
      editor.replaceWith(shown);
      $('.tools button:last-of-type', shown).focus();
    };
    const editor = user_editor(message, this.chat.messages.length - 1 - i, (text) => {
      this.cut(i);
      if (i === 0) this.chat.title = '';
      this.send(text);
      $('#ask').focus();
    }, back);
    shown.replaceWith(editor);
    const field = $('textarea', editor);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
  }

  async answer() {
    const chat = this.chat;
    const abort = this.abort = new AbortController();
    const message = {role: 'assistant', content: ''};
    const live = this.live = new LiveTurn(message);
    const asked = messages_of(chat);
    chat.messages.push(message);
    this.save();
    this.log.append(live.node);
    scroll_to_end();
    this.on.busy(true);
    say('The model is answering');
    const clock = {begin: performance.now(), first: NaN, last: NaN};
    try {
      for await (const event of ask_model(asked, chat.settings, abort.signal)) this.take(event, live, message, clock);
    } catch (error) {
      if (!abort.signal.aborted) message.error = error instanceof Refused ? error.message : 'The server has gone, or the way to it: ' + error.message;
    }
    if (abort.signal.aborted) message.state = 'stopped';
    this.end(chat, message, live, clock, abort);
  }

  take(event, live, message, clock) {
    if (event.text || event.thought) {
      clock.last = performance.now();
      if (Number.isNaN(clock.first)) clock.first = clock.last;
    }
    if (event.text) live.add_text(event.text);
    if (event.thought) live.add_thought(event.thought);
    if (event.progress && event.progress.processed < event.progress.total)
      live.tell(`Reading the prompt, ${Math.round(100 * event.progress.processed / event.progress.total)} %`);
    if (event.reason === 'length') message.state = 'length';
    if (event.usage)
      message.stats = {n_output: event.usage.completion_tokens, n_prompt: event.usage.prompt_tokens, n_cached: event.usage.prompt_tokens_details?.cached_tokens};
  }

  end(chat, message, live, clock, abort) {
    const stats = message.stats ??= {};
    if (!Number.isNaN(clock.first)) stats.first_s = (clock.first - clock.begin) / 1000;
    if (stats.n_output > 1 && clock.last > clock.first) stats.rate = (stats.n_output - 1) / ((clock.last - clock.first) / 1000);
    const is_shown = this.chat === chat && live.node.isConnected;
    const is_low = is_at_end();
    if (is_shown) {
      const i = chat.messages.indexOf(message);
      live.finish({retry: () => this.retry(i)});
      if (is_low) scroll_to_end();
      say(message.error ? message.error : message.state === 'stopped' ? 'Stopped' : `Answered, ${count(message.content.split(/\s+/).length)} words`);
    }
    // One that was cut off by another is no part of the conversation any more.
    if (chat.messages.includes(message)) store.save(chat);
    if (this.abort === abort || this.abort === null) {
      this.abort = null;
      this.on.busy(false);
    }
    this.on.changed();
  }
}
