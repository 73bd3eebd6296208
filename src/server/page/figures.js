// The server's live figures: read from /metrics a second apart while somebody looks, and less often when nothing goes on.

const kEvery_ms = 1000, kIdle_ms = 3000, kKept = 60;

// {name: sum over the labels} of Prometheus' text.
function metrics_of(text) {
  const out = {};
  for (const line of text.split('\n')) {
    if (line === '' || line[0] === '#' || line.includes('_bucket')) continue;
    const end = line.search(/[{ ]/);
    out[line.slice(0, end)] = (out[line.slice(0, end)] ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return out;
}

class FiguresPanel {
  constructor(place) {
    this.place = place;
    this.rates = [];   // tokens a second, the newest last
    this.before = null;
    this.timer = 0;
    this.values = {};
    const value = (name, label, more) => h('div', {class: 'figure ' + (more ?? '')}, h('dt', null, label), this.values[name] = h('dd', {id: 'figure-' + name}, '–'));
    this.line = svg('path', {fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5, 'vector-effect': 'non-scaling-stroke', 'stroke-linejoin': 'round'});
    this.area = svg('path', {fill: 'currentColor', opacity: 0.12});
    this.meter = h('i');
    this.state = h('p', {class: 'note'});
    this.receipt = h('div', {class: 'receipt', hidden: true});
    this.about = h('dl', {class: 'about'});
    place.append(
      h('h2', null, 'Right now'),
      h('dl', {class: 'figures'},
        value('rate', 'Tokens a second', 'wide'),
        value('first', 'Time to first token'), value('between', 'Between tokens'),
        value('running', 'Running'), value('waiting', 'Waiting'),
        value('kv', 'KV pages in use'), value('cache', 'Prompt tokens cached')),
      this.state,
      h('h3', null, 'What answers'), this.about, this.receipt);
    this.values.rate.parentElement.append(svg('svg', {class: 'spark', viewBox: '0 0 60 24', preserveAspectRatio: 'none', 'aria-hidden': 'true'}, this.area, this.line));
    this.values.kv.parentElement.append(h('span', {class: 'meter', 'aria-hidden': 'true'}, this.meter));
  }

  is_seen() { return !document.hidden && this.place.checkVisibility(); }
  // From now on; called again when it may have come into sight.
  watch() {
    clearTimeout(this.timer);
    if (!this.is_seen()) return;
    this.read().then(() => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.watch(), this.is_busy || this.is_asking ? kEvery_ms : kIdle_ms);
    });
  }
  // This page's own question is being answered, or no longer is.
  follow(is_asking) {
    if (this.is_asking !== is_asking) this.watch();
    this.is_asking = is_asking;
  }

  async read() {
    try {
      const text = await (await fetch_well('/metrics', {}, true)).text();
      this.show(metrics_of(text), performance.now() / 1000);
      this.state.textContent = '';
    } catch (error) {
      this.state.textContent = error instanceof Refused ? error.message : 'The server does not answer.';
      this.before = null;
    }
  }

  show(now, at_s) {
    const tokens = (m) => (m.tercet_inter_token_seconds_count ?? 0) + (m.tercet_first_token_seconds_count ?? 0);
    const before = this.before ?? {m: now, at_s: at_s - 1};
    const n_token = Math.max(0, tokens(now) - tokens(before.m));
    const rate = n_token / Math.max(0.05, at_s - before.at_s);
    this.before = {m: now, at_s};
    this.is_busy = now.tercet_requests_running > 0 || now.tercet_requests_waiting > 0 || n_token > 0;
    this.rates = [...this.rates, rate].slice(-kKept);
    // Of what came since the figures before; where nothing came, of all.
    const mean = (name) => {
      const [sum, n] = ['_sum', '_count'].map((end) => now[name + end] ?? 0);
      const [sum_0, n_0] = ['_sum', '_count'].map((end) => before.m[name + end] ?? 0);
      return n > n_0 ? (sum - sum_0) / (n - n_0) : n > 0 ? sum / n : NaN;
    };
    const set = (name, text) => { if (this.values[name].textContent !== text) this.values[name].textContent = text; };
    set('rate', rate === 0 ? '0' : rate < 10 ? rate.toFixed(1) : count(rate));
    set('first', seconds(mean('tercet_first_token_seconds')));
    set('between', seconds(mean('tercet_inter_token_seconds')));
    set('running', count(now.tercet_requests_running ?? 0));
    set('waiting', count(now.tercet_requests_waiting ?? 0));
    const n_page = now.tercet_kv_pages ?? 0, n_used = now.tercet_kv_pages_used ?? 0;
    set('kv', count(n_used) + ' of ' + count(n_page));
    this.meter.style.width = n_page > 0 ? 100 * n_used / n_page + '%' : '0';
    const asked = now.tercet_prefix_cache_queries_total ?? 0;
    set('cache', asked > 0 ? Math.round(100 * (now.tercet_prefix_cache_hits_total ?? 0) / asked) + ' %' : '–');
    this.draw_rates();
  }

  draw_rates() {
    const top = Math.max(1, ...this.rates);
    const first = kKept - this.rates.length;
    const points = this.rates.map((r, i) => `${first + i + 1},${(23 - 22 * r / top).toFixed(2)}`);
    this.line.setAttribute('d', 'M' + points.join('L'));
    this.area.setAttribute('d', `M${first + 1},24L${points.join('L')}L60,24Z`);
  }

  show_props(props) {
    const row = (name, value) => [h('dt', null, name), h('dd', null, value)];
    this.about.replaceChildren(...[
      row('Model', props.model), row('Backend', props.backend), row('Device', props.device), row('Context', count(props.n_ctx) + ' tokens'),
      row('At once', count(props.total_slots))].flat());
    if (props.has_receipt) this.read_receipt();
  }

  async read_receipt() {
    try {
      this.show_receipt(await (await fetch_well('/receipt')).json());
    } catch (error) {
      this.receipt.replaceChildren(h('h3', null, 'Contract'), h('p', {class: 'note'}, error.message));
    }
    this.receipt.hidden = false;
  }

  show_receipt(found) {
    const {verification: v, receipt: r, is_of_this_model: is_same} = found;
    const n = (verdict) => v.rows.filter((row) => row.verdict === verdict).length;
    const counts = [[n('HELD'), 'held'], [n('FALSIFIED'), 'fell'], [n('SKIPPED'), 'skipped']].filter(([k]) => k > 0).map(([k, word]) => `${k} ${word}`).join(', ');
    const fallen = v.rows.filter((row) => row.verdict === 'FALSIFIED');
    const list = (title, lines) => (lines.length === 0 ? null : [h('h4', null, title), h('ul', null, lines.map((line) => h('li', null, line)))]);
    this.receipt.replaceChildren(...[
      h('h3', null, 'Contract'),
      h('p', {class: 'verdict ' + v.verdict.toLowerCase()}, v.verdict),
      h('p', {class: 'note'}, `This program judged the receipt\u2019s figures by the thresholds that it has. Of ${v.rows.length} falsifiers ${counts}.`,
        r.verdict === v.verdict ? null : ` The receipt itself says ${r.verdict}.`,
        is_same ? null : h('strong', null, ' It is of another model than the one that answers.')),
      h('dl', {class: 'about'}, [['Made', r.made_at?.replace('T', ' ').replace('Z', ' UTC')], ['Model', r.model?.file], ['Program', [r.program?.version, r.program?.commit?.slice(0, 12)].filter(Boolean).join(' ')],
        ['Contracts', (r.contracts ?? []).map((c) => c.id).join(', ')],
        ['Devices', (r.devices ?? []).map((d) => d.backend + ': ' + d.name).join('; ')]].filter(([, value]) => value).map(([name, value]) => [h('dt', null, name), h('dd', null, value)])),
      list('Fallen', fallen.map((row) => [row.falsifier, row.backend && 'on ' + row.backend, row.why].filter(Boolean).join(' '))),
      list('Contradictions', v.contradictions), list('Changed since', v.changes), list('Missing', v.missing)].flat(2).filter(Boolean));
  }
}
