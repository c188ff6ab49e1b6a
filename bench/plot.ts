// The figures as a picture: for each scenario under load, one bar per peer, as long as its processor time per request.

import type { Results } from './measure.ts';

const COLOURS: Readonly<Record<string, string>> = {
  nginx: '#7a8b99',
  haproxy: '#94a3ae',
  caddy: '#b3bfc7',
  envoy: '#c58b4b',
  'reply-from': '#8fae7f',
  'http-proxy': '#b4c9a8',
  weft: '#2f6fb2',
};
const OTHER = '#cccccc';
const WIDTH = 860;
const LEFT = 150;
const RIGHT = 110;
const BAR = 16;
const GAP = 4;
const TITLE = 34;

/** An SVG document. Each scenario has a scale of its own, from nothing to the dearest peer. */
export function plot({ scenarios, about, machine }: Results): string {
  const parts: string[] = [];
  let y = 40;
  for (const [name, peers] of Object.entries(scenarios)) {
    const drawn = peers.filter(({ cpuMicrosPerRequest }) => cpuMicrosPerRequest > 0);
    if (drawn.length < 2) continue;
    const most = Math.max(...drawn.map(({ cpuMicrosPerRequest }) => cpuMicrosPerRequest));
    parts.push(text(16, y + 14, `${name}: ${about[name]}`, 'class="title"'));
    y += TITLE - 12;
    for (const { peer, cpuMicrosPerRequest } of drawn) {
      const width = Math.max(1, Math.round(((WIDTH - LEFT - RIGHT) * cpuMicrosPerRequest) / most));
      const colour = COLOURS[peer] ?? OTHER;
      parts.push(text(LEFT - 8, y + 12, peer, 'text-anchor="end"'));
      parts.push(`<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" fill="${colour}"/>`);
      parts.push(text(LEFT + width + 6, y + 12, `${micros(cpuMicrosPerRequest)} µs`));
      y += BAR + GAP;
    }
    y += 14;
  }
  const caption = `CPU per request, user and system, all threads. ${machine.processor}, ${machine.cores} cores, ${machine.date.slice(0, 10)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12">`,
    '<title>What a request costs in each proxy, scenario by scenario</title>',
    '<style>text{fill:#222}.title{font-weight:bold}</style>',
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    text(16, 22, caption),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function micros(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`;
}
