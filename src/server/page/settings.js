// The settings of a conversation, and what of them a request says. What is left empty is the server's business.

const kSampling = [
  {name: 'temperature', label: 'Temperature', least: 0, most: 2, step: 0.05, about: 'Lower keeps to the likely, 0 takes the likeliest'},
  {name: 'top_p', label: 'Top p', least: 0, most: 1, step: 0.01, about: 'The share of probability that is drawn from'},
  {name: 'top_k', label: 'Top k', least: 0, most: 1000, step: 1, about: 'How many tokens are drawn from; 0 is all'},
  {name: 'min_p', label: 'Min p', least: 0, most: 1, step: 0.01, about: 'The least share of the likeliest token\u2019s'},
  {name: 'repetition_penalty', shown: 'repeat_penalty', label: 'Repetition penalty', least: 0.5, most: 2, step: 0.01, about: '1 is none'},
  {name: 'max_tokens', label: 'Longest answer', least: 1, most: 1e9, step: 1, about: 'In tokens', otherwise: 'the context'},
  {name: 'seed', label: 'Seed', least: 0, most: 2 ** 53 - 1, step: 1, about: 'The same one gives the same answer', otherwise: 'drawn'},
];

// The part of a request.
function sampling_of(settings) {
  const out = {};
  for (const {name} of kSampling) {
    const value = Number(settings[name]);
    if (settings[name] !== undefined && settings[name] !== '' && Number.isFinite(value)) out[name] = value;
  }
  if (settings.thinking === 'on' || settings.thinking === 'off') out.chat_template_kwargs = {enable_thinking: settings.thinking === 'on'};
  return out;
}
const messages_of = (chat) => [
  ...(chat.settings.system?.trim() ? [{role: 'system', content: chat.settings.system}] : []),
  ...chat.messages.filter((m) => !(m.role === 'assistant' && m.content === '')).map((m) => ({role: m.role, content: m.content, ...(m.reasoning ? {reasoning_content: m.reasoning} : {})}))];

class SettingsPanel {
  // `on_change` gets the settings whenever one of them is another.
  constructor(place, on_change) {
    this.on_change = on_change;
    this.fields = new Map();
    this.settings = {};
    const field = (name, input) => {
      input.addEventListener('input', () => this.read(name, input.value));
      this.fields.set(name, input);
      return input;
    };
    const system = field('system', h('textarea', {id: 'set-system', rows: 4, spellcheck: 'true', placeholder: 'How the model should answer, and who it is'}));
    this.thinking = h('div', {class: 'row', hidden: true}, h('label', {for: 'set-thinking'}, 'Thinking'),
      field('thinking', h('select', {id: 'set-thinking'}, [['', 'as the model does'], ['on', 'on'], ['off', 'off']].map(([value, text]) => h('option', {value}, text)))));
    place.append(
      h('h2', null, 'This conversation'),
      h('div', {class: 'stack'}, h('label', {for: 'set-system'}, 'System prompt'), system),
      this.thinking,
      h('h3', null, 'Sampling'),
      ...kSampling.map((s) => h('div', {class: 'row'},
        h('label', {for: 'set-' + s.name}, s.label, h('small', {id: 'about-' + s.name}, s.about)),
        field(s.name, h('input', {id: 'set-' + s.name, type: 'number', inputmode: 'decimal', min: s.least, max: s.most, step: s.step, 'aria-describedby': 'about-' + s.name, placeholder: s.otherwise ?? ''})))),
      h('p', {class: 'buttons'}, h('button', {type: 'button', class: 'plain', onclick: () => this.reset()}, 'Back to the defaults')),
      h('p', {class: 'note'}, 'What is empty is as the server has it. A new conversation begins with these settings.'));
  }

  read(name, value) {
    this.settings = {...this.settings, [name]: value};
    if (value === '') delete this.settings[name];
    this.on_change(this.settings);
  }
  show(settings) {
    this.settings = settings;
    for (const [name, input] of this.fields) input.value = settings[name] ?? '';
  }
  reset() {
    this.show({});
    this.on_change({});
    say('Settings are the defaults again');
  }
  // What the server does where nothing is set.
  show_defaults(props) {
    for (const {name, shown} of kSampling) {
      const value = props.default_sampling?.[shown ?? name];
      if (value !== undefined) this.fields.get(name).placeholder = String(value);
    }
    this.fields.get('max_tokens').placeholder = count(props.n_ctx);
    this.thinking.hidden = !props.has_thinking;
  }
}
