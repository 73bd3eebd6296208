// The way to the server. Whoever is refused for want of a key is asked for one, once for all that wait.

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const with_key = (headers = {}) => (store.key() ? {...headers, Authorization: 'Bearer ' + store.key()} : headers);

async function refusal_of(response) {
  const text = await response.text();
  try {
    return new Refused(response.status, JSON.parse(text).error.message);
  } catch {
    return new Refused(response.status, text.slice(0, 200) || 'HTTP ' + response.status);
  }
}

let asked_key = null;
function ask_key(was_wrong) {
  asked_key ??= ask_dialog({
    title: 'This server wants a key', about: (was_wrong ? 'The server does not know that one. ' : '') + 'It is kept until this tab is closed.', label: 'API key', action: 'Use it', type: 'password',
  }).then((key) => {
    asked_key = null;
    if (key === null) return false;
    store.keep_key(key.trim());
    return true;
  });
  return asked_key;
}

// A response that is well, or throws. `quiet`: a key that is missing is no reason to ask.
async function fetch_well(path, options = {}, quiet = false) {
  for (;;) {
    const key = store.key();
    const response = await fetch(path, {cache: 'no-store', referrerPolicy: 'no-referrer', ...options, headers: with_key(options.headers)});
    if (response.ok) return response;
    if (response.status !== 401 || quiet) throw await refusal_of(response);
    if (store.key() === key && !await ask_key(key !== '')) throw await refusal_of(response);
  }
}

// The data of a stream of server-sent events, parsed, until it ends.
async function* events_of(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const parts = (rest + value).split('\n\n');
      rest = parts.pop();
      for (const part of parts) {
        const data = part.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart()).join('\n');
        if (data === '[DONE]') return;
        if (data !== '') yield JSON.parse(data);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Asks for an answer: yields {text}, {thought}, {progress}, {usage}, {reason}.
async function* ask_model(messages, settings, signal) {
  const body = {messages, stream: true, stream_options: {include_usage: true}, return_progress: true, ...sampling_of(settings)};
  const response = await fetch_well('/v1/chat/completions', {method: 'POST', body: JSON.stringify(body), headers: {'Content-Type': 'application/json'}, signal});
  for await (const event of events_of(response)) {
    if (event.error) throw new Refused(500, event.error.message);
    if (event.prompt_progress) yield {progress: event.prompt_progress};
    if (event.usage) yield {usage: event.usage};
    const choice = event.choices?.[0];
    if (choice?.delta?.content) yield {text: choice.delta.content};
    if (choice?.delta?.reasoning_content) yield {thought: choice.delta.reasoning_content};
    if (choice?.finish_reason) yield {reason: choice.finish_reason};
  }
}
