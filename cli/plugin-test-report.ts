// What `mesh plugin test` prints for people: a line a test, what was different as a diff at its place in the fixture, and
// how often each callback ran.

import type { BenchReport } from '../plugins/testing/bench.ts';
import type { TestResult } from '../plugins/testing/run.ts';
import type { SuiteReport } from '../plugins/testing/suite.ts';
import { paint, table } from './output.ts';
import { unifiedDiff } from './unified-diff.ts';

export function testReport(report: SuiteReport): string {
  const lines = byFile(report.tests);
  const total = report.tests.length;
  const outcome =
    report.failed === 0 ? paint('green', `${total} passed`) : paint('red', `${report.failed} of ${total} failed`);
  lines.push('', coverageLine(report.coverage), `${outcome} (${Math.ceil(report.ms)} ms)`);
  return lines.join('\n');
}

/** Only what failed. */
export function testFailures({ tests }: SuiteReport): string {
  return byFile(tests.filter(({ passed }) => !passed)).join('\n');
}

function byFile(tests: readonly TestResult[]): string[] {
  const lines: string[] = [];
  let file = '';
  for (const test of tests) {
    if (test.file !== file) lines.push(paint('bold', test.file));
    file = test.file;
    lines.push(...testLines(test));
  }
  return lines;
}

function testLines({ name, passed, failures }: TestResult): string[] {
  if (passed) return [`  ${paint('green', '✔')} ${name}`];
  const lines = [`  ${paint('red', '✖')} ${name}`];
  for (const { place, what, step, expected, actual } of failures) {
    const where = `${place.file}:${place.line}:${place.column}`;
    lines.push(`      ${paint('dim', where)} ${step === '' ? what : `${step}: ${what}`}`);
    lines.push(...difference(expected, actual).map((line) => `        ${line}`));
  }
  return lines;
}

/** '-' is what was expected, '+' what came. */
function difference(expected: string, actual: string): string[] {
  const diff =
    expected.includes('\n') && actual.includes('\n')
      ? unifiedDiff(['expected', 'actual'], expected, actual).slice(3)
      : [...expected.split('\n').map((line) => `-${line}`), ...actual.split('\n').map((line) => `+${line}`)];
  return diff.map((line) => {
    const text = `${line[0]} ${line.slice(1)}`;
    return line[0] === '-' ? paint('red', text) : line[0] === '+' ? paint('green', text) : text;
  });
}

/** 'callbacks: request_headers 4, response_headers 4; never: tick' */
function coverageLine(coverage: SuiteReport['coverage']): string {
  const parts = Object.entries(coverage).map(([name, count]) => ({ name: name.replace(/^proxy_on_/, ''), count }));
  const ran = parts.filter(({ count }) => count > 0).map(({ name, count }) => `${name} ${count}`);
  const never = parts.filter(({ count }) => count === 0).map(({ name }) => name);
  const rest = never.length === 0 ? '' : paint('yellow', `; never: ${never.join(', ')}`);
  return `callbacks: ${ran.join(', ') || 'none'}${rest}`;
}

/** What `mesh plugin test --bench` prints. */
export function benchReport(report: BenchReport): string {
  const rows = report.callbacks.map(({ callback, calls, ns, fuel }) => [
    callback.replace(/^proxy_on_/, ''),
    String(calls),
    ns.toFixed(0),
    fuel.toFixed(0),
  ]);
  const { exchanges, nsPerExchange, fuelPerExchange, memoryBytes, grownBytes } = report;
  return [
    table(['CALLBACK', 'CALLS', 'NS A CALL', 'FUEL A CALL'], rows),
    '',
    `an exchange: ${nsPerExchange.toFixed(0)} ns in the filter, ${fuelPerExchange.toFixed(0)} units of fuel (of ${exchanges} exchanges)`,
    `handed over: ${report.allocationsPerExchange.toFixed(1)} allocations, ${report.bytesPerExchange.toFixed(0)} bytes an exchange`,
    `memory: ${Math.round(memoryBytes / 1024)} KiB, grew by ${Math.round(grownBytes / 1024)} KiB`,
  ].join('\n');
}
