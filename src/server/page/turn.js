// One turn of a conversation as it stands on the page.

const prose = (text) => {
  const out = h('div', {class: 'prose'});
  render_markdown(out, text);
  return out;
};

// `on`: {edit, retry}, what the buttons do.
function user_turn(message, on) {
  return h('article', {class: 'turn user', 'aria-label': 'You'},
    h('p', {class: 'said'}, message.content),
    h('div', {class: 'tools'},
      copy_button('Copy the question', () => message.content),
      icon_button('edit', 'Edit the question', on.edit)));
}

// A question that is being changed.
function user_editor(message, n_behind, on_save, on_cancel) {
  const field = h('textarea', {'aria-label': 'The question, changed', rows: 1});
  field.value = message.content;
  const save = () => { if (field.value.trim() !== '') on_save(field.value.trim()); };
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') { event.preventDefault(); event.stopPropagation(); on_cancel(); }
    if (sends(event)) { event.preventDefault(); save(); }
  });
  grow(field);
  return h('form', {class: 'turn user editor', onsubmit: (event) => { event.preventDefault(); save(); }}, field,
    h('div', {class: 'buttons'}, n_behind > 1 ? h('p', {class: 'note'}, 'What came after it goes.') : null,
      h('button', {type: 'button', class: 'plain', onclick: on_cancel}, 'Cancel'), h('button', {class: 'main'}, 'Ask again')));
}

function stats_line(message) {
  const s = message.stats ?? {};
  const parts = [];
  if (s.n_output) parts.push(count(s.n_output) + (s.n_output === 1 ? ' token' : ' tokens'));
  if (s.rate) parts.push(s.rate.toFixed(s.rate < 10 ? 1 : 0) + ' tok/s');
  if (Number.isFinite(s.first_s)) parts.push('first after ' + seconds(s.first_s));
  if (s.n_cached) parts.push(count(s.n_cached) + ' of ' + count(s.n_prompt) + ' prompt tokens cached');
  if (message.state === 'stopped') parts.unshift('Stopped');
  if (message.state === 'length') parts.unshift('Cut at the limit');
  return parts.join(' · ');
}

function thoughts(message, is_open) {
  const label = message.think_s ? 'Thought for ' + seconds(message.think_s) : 'Thoughts';
  return h('details', {class: 'thoughts', open: is_open}, h('summary', null, label), h('div', {class: 'prose'}));
}

const answer_tools = (message, on) => [
  message.error ? h('p', {class: 'error'}, message.error) : null,
  h('div', {class: 'tools'},
    copy_button('Copy the answer', () => message.content),
    icon_button('retry', 'Answer again', on.retry, {class: 'icon retry'}),
    h('span', {class: 'stats'}, stats_line(message)))];

function answer_turn(message, on) {
  const out = h('article', {class: 'turn answer', 'aria-label': 'Answer'});
  if (message.reasoning) {
    const box = thoughts(message, false);
    render_markdown(box.lastChild, message.reasoning);
    out.append(box);
  }
  if (message.content) out.append(prose(message.content));
  put(out, null, answer_tools(message, on));
  return out;
}

// An answer that is coming. It is drawn once a frame, and less often where drawing takes long: never more than a third of the time.
class LiveTurn {
  constructor(message) {
    this.message = message;
    this.status = h('p', {class: 'status'}, h('span', {class: 'dots', 'aria-hidden': 'true'}, h('i'), h('i'), h('i')), h('span'));
    this.node = h('article', {class: 'turn answer live', 'aria-label': 'Answer', 'aria-busy': 'true'}, this.status);
    this.text = null;
    this.thought = null;
    this.is_due = false;
    this.rest_until = 0;
    this.tell('Waiting');
  }
  tell(text) { this.status.lastChild.textContent = text; }

  add_thought(text) {
    if (!this.thought) {
      this.box = thoughts(this.message, true);
      $('summary', this.box).textContent = 'Thinking';
      this.node.insertBefore(this.box, this.status);
      this.thought = new Markdown(this.box.lastChild);
      this.began_s = performance.now() / 1000;
      this.tell('');
    }
    this.message.reasoning = (this.message.reasoning ?? '') + text;
    this.thought.push(text);
    this.draw_soon();
  }
  add_text(text) {
    if (!this.text) {
      this.end_thought();
      const place = h('div', {class: 'prose'});
      this.node.insertBefore(place, this.status);
      this.text = new Markdown(place);
      this.tell('Writing');
    }
    this.message.content += text;
    this.text.push(text);
    this.draw_soon();
  }
  end_thought() {
    if (!this.thought || this.message.think_s) return;
    this.message.think_s = performance.now() / 1000 - this.began_s;
    this.box.open = false;
    $('summary', this.box).textContent = 'Thought for ' + seconds(this.message.think_s);
  }

  // The last of it; what was drawn stays, and what somebody has selected in it.
  finish(on) {
    this.end_thought();
    this.thought?.draw(true);
    this.text?.draw(true);
    this.is_due = true;
    this.status.remove();
    this.node.classList.remove('live');
    this.node.removeAttribute('aria-busy');
    put(this.node, null, answer_tools(this.message, on));
  }

  draw_soon() {
    if (this.is_due) return;
    this.is_due = true;
    setTimeout(() => requestAnimationFrame(() => this.draw()), Math.max(0, this.rest_until - performance.now()));
  }
  draw() {
    if (!this.node.isConnected || !this.status.isConnected) return;
    this.is_due = false;
    const begin = performance.now();
    const is_low = is_at_end();
    this.thought?.draw();
    this.text?.draw();
    if (is_low) scroll_to_end();
    const end = performance.now();
    this.rest_until = end + 2 * (end - begin);
  }
}
