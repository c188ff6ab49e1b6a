// What an expression of Telemetry costs an exchange that has ended: a log's conditions and a metric's tags, together in one
// process, as they are when several are configured.

import type { ExchangeRecord } from '../../core/exchange/record.ts';
import { conditionOf, printed } from '../../core/expression/evaluate.ts';
import { parseCondition, parseValue } from '../../core/expression/parse.ts';
import { FIELDS, received, recordOf } from './request.ts';
import type { Subject } from './subject.ts';

/** What was answered, in turn. */
const CODES = [200, 200, 404, 200, 503, 200, 200, 200];

export function expressionSubjects(): readonly Subject[] {
  return [
    condition('response.code >= 400', 0.06),
    condition('request.url_path.startsWith("/api")', 0.3),
    condition('request.headers["x-a"] == "b"', 0.1),
    tag('request.host', 0.05),
    tag('request.headers["user-agent"]', 0.4),
  ];
}

function condition(source: string, budget: number): Subject {
  const holds = conditionOf(parseCondition(source));
  return subject(source, budget, (record) => (holds(record) ? 1 : 0));
}

function tag(source: string, budget: number): Subject {
  const text = printed(parseValue(source));
  return subject(source, budget, (record) => text(record)?.length ?? 0);
}

function subject(source: string, budget: number, evaluate: (record: ExchangeRecord) => number): Subject {
  const records = CODES.map((responseCode) => ({ ...recordOf(received(FIELDS)), responseCode }));
  return {
    name: `expression ${source}`,
    budget,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) sum += evaluate(records[i % records.length]);
      if (Number.isNaN(sum)) throw new Error('an expression gave no number');
    },
  };
}
