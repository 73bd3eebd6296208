// Making elements. Text goes in as text, never as markup: what a model writes comes from anywhere, and so do names in a receipt.

// A node's attributes, listeners (on...) and children; children may be lists, and what is null or '' is no child.
function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== '') node.append(child);
  return node;
}
const h = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  put(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

// 12345 as 12,345.
const count = (n) => Math.round(n).toLocaleString('en');
