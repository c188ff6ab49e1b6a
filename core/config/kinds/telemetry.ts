// Telemetry: what of tracing, metrics and access logs a workload does, and for whom.

import { conditionFault, valueFault } from '../../expression/parse.ts';
import { labelOf, nonEmpty, nonEmptyRule, percent, positiveDuration, quote, text } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, boolean, map, notEnforced, object, oneOf, optional, partly, type Static, string } from '../schema.ts';
import { ATTACHMENT, attachment } from '../schemas/selectors.ts';

const mode = oneOf('CLIENT_AND_SERVER', 'CLIENT', 'SERVER');
const modeOnly = object({ mode: optional(mode) });

/** `known`: the only one that this proxy has. */
function providers(known: string, what: string) {
  const provider = partly(object({ name: nonEmpty }), ({ name }) =>
    name.toLowerCase() === known ? null : `the ${what} provider ${name}`,
  );
  return optional(array(provider));
}

export const Tracing = object(
  {
    match: optional(modeOnly),
    providers: optional(array(object({ name: nonEmpty }))),
    randomSamplingPercentage: optional(percent),
    disableSpanReporting: optional(boolean),
    customTags: optional(
      map(
        object(
          {
            literal: optional(object({ value: nonEmpty })),
            environment: optional(object({ name: nonEmpty, defaultValue: optional(text) })),
            header: optional(object({ name: nonEmpty, defaultValue: optional(text) })),
            formatter: optional(object({ value: text })),
          },
          { exactlyOne: [['literal', 'environment', 'header', 'formatter']] },
        ),
        nonEmptyRule,
      ),
    ),
    useRequestIdForTraceSampling: optional(boolean),
    enableIstioTags: optional(boolean),
    disableContextPropagation: optional(boolean),
  },
  {
    check({ providers: named = [] }, report) {
      if (named.length > 1) report.warning(['providers'], 'single', 'traces go to one provider: the first one counts');
    },
  },
);
export type Tracing = Static<typeof Tracing>;

const MetricSelector = object(
  {
    metric: optional(
      oneOf(
        'ALL_METRICS',
        'REQUEST_COUNT',
        'REQUEST_DURATION',
        'REQUEST_SIZE',
        'RESPONSE_SIZE',
        'TCP_OPENED_CONNECTIONS',
        'TCP_CLOSED_CONNECTIONS',
        'TCP_SENT_BYTES',
        'TCP_RECEIVED_BYTES',
        'GRPC_REQUEST_MESSAGES',
        'GRPC_RESPONSE_MESSAGES',
      ),
    ),
    customMetric: optional(nonEmpty),
    mode: optional(mode),
  },
  { atMostOne: [['metric', 'customMetric']] },
);

/** 'le' tells a histogram's buckets apart, and names that begin with __ are Prometheus's own. */
const tagName = {
  code: 'label',
  check: (name: string) =>
    /^[A-Za-z_][-.A-Za-z0-9_]{0,63}$/.test(name) && !/^(?:__.*|le|quantile)$/.test(labelOf(name))
      ? null
      : `${quote(name)} is no name of a metric's tag: letters, digits, '_', '-' and '.', at most 64`,
};
const tagValue = string({ code: 'expression', check: (value) => (value === '' ? null : valueFault(value)) });
const condition = string({ code: 'expression', check: conditionFault });

const TagOverride = object(
  { operation: optional(oneOf('UPSERT', 'REMOVE')), value: optional(tagValue) },
  {
    check(override, report) {
      if (override.operation === 'REMOVE' && override.value) {
        report.error(['value'], 'contradiction', 'a tag that is removed has no value');
      }
      if (override.operation !== 'REMOVE' && !override.value) report.error([], 'required', 'value is missing');
    },
  },
);

export const Metrics = object({
  providers: providers('prometheus', 'metrics'),
  overrides: optional(
    array(
      object({
        match: partly(optional(MetricSelector), ({ metric, customMetric }) => {
          if (customMetric !== undefined) return `the custom metric ${customMetric}`;
          return metric?.startsWith('TCP_') ? `the metric ${metric}` : null;
        }),
        disabled: optional(boolean),
        tagOverrides: optional(map(TagOverride, tagName)),
      }),
    ),
  ),
  reportingInterval: notEnforced(
    optional(positiveDuration),
    'the reporting interval of metrics (they are read, not sent)',
  ),
});
export type Metrics = Static<typeof Metrics>;

export const AccessLogging = object({
  match: optional(modeOnly),
  providers: providers('envoy', 'access log'),
  disabled: optional(boolean),
  filter: optional(object({ expression: condition })),
});
export type AccessLogging = Static<typeof AccessLogging>;

export const TelemetrySpec = object(
  {
    ...attachment,
    tracing: notEnforced(optional(array(Tracing))),
    metrics: optional(array(Metrics)),
    accessLogging: optional(array(AccessLogging)),
  },
  {
    atMostOne: [ATTACHMENT],
    check({ tracing = [] }, report) {
      if (tracing.length > 1) report.warning(['tracing'], 'single', 'only the first tracing counts');
    },
  },
);
export type TelemetrySpec = Static<typeof TelemetrySpec>;

export const telemetry = defineKind({
  name: 'Telemetry',
  group: 'telemetry.istio.io',
  versions: ['v1', 'v1alpha1'],
  scope: 'namespace',
  spec: TelemetrySpec,
});
