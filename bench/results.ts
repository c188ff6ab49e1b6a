// `--write`: the figures of a run into RESULTS.md, between two marks, beside the words that somebody wrote about them.

import { readFileSync, writeFileSync } from 'node:fs';
import type { Results } from './measure.ts';
import { plot } from './plot.ts';
import { reportMarkdown } from './report.ts';

const PAGE = new URL('./RESULTS.md', import.meta.url);
const PICTURE = new URL('./results.svg', import.meta.url);
const BEGIN = '<!-- figures: written by npm run bench -- --write -->';
const END = '<!-- end of figures -->';

export function writeResults(results: Results): void {
  const page = readFileSync(PAGE, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`bench/RESULTS.md has no place for figures: ${BEGIN} and ${END}`);
  writeFileSync(PAGE, `${page.slice(0, begin + BEGIN.length)}\n\n${reportMarkdown(results)}\n\n${page.slice(end)}`);
  writeFileSync(PICTURE, plot(results));
}
