// What every resource has around its spec: apiVersion, kind, metadata. Takes values that have been parsed already.

import { DRY_RUN } from './attachment.ts';
import { nonEmpty, quote, text } from './formats.ts';
import { findKind } from './kind-names.ts';
import { refusal } from './refused.ts';
import type { Metadata, Resource } from './resource.ts';
import { map, object, optional, type Report, type Static, string } from './schema.ts';
import { closest } from './spelling.ts';
import { type Finding, isObject, named, type Path, walk } from './walk.ts';

const resourceName = string({
  code: 'name',
  check: (value) =>
    value.length <= 253 && /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/.test(value)
      ? null
      : `${quote(value)} is no name: lower-case letters, digits, '-' and '.', at most 253`,
});

const namespaceName = string({
  code: 'name',
  check: (value) =>
    value === '' || /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(value)
      ? null
      : `${quote(value)} is no namespace: lower-case letters, digits and '-', at most 63`,
});

/** What a cluster's API server adds to an object is taken and dropped, so that `kubectl get -o yaml` can be applied. */
const MetadataSchema = object(
  {
    name: resourceName,
    namespace: optional(namespaceName),
    labels: optional(map(text)),
    annotations: optional(map(text)),
  },
  {
    ignore: [
      ...['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp', 'selfLink'],
      ...['deletionGracePeriodSeconds', 'managedFields', 'ownerReferences', 'finalizers', 'clusterName'],
    ],
  },
);

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

const Identity = object({ apiVersion: nonEmpty, kind: nonEmpty }, { ignore: 'any' });

/** The resource, or null when there are errors among the findings; they are then of the resource that `about` describes. */
export interface Decoded {
  readonly resource: Resource | null;
  readonly about: Pick<Resource, 'apiVersion' | 'kind' | 'metadata'> | null;
}

/** Decodes one object that is not a list. Findings have paths that begin with `path`. */
export function decodeObject(value: unknown, path: Path, findings: Finding[]): Decoded {
  const before = findings.length;
  if (!isObject(value)) {
    const message = `expected a resource with apiVersion and kind, got ${named(value)}`;
    findings.push({ severity: 'error', code: 'type', message, path });
    return { resource: null, about: null };
  }
  const { apiVersion, kind } = walk(Identity, value, path, findings) as Static<typeof Identity>;
  if (findings.length > before) return { resource: null, about: null };
  const known = findKind(apiVersion, kind);
  if (known === null) {
    const { field, message } = refusal(apiVersion, kind, value.spec);
    findings.push({ severity: 'error', code: 'kind', message, path: [...path, field] });
    return { resource: null, about: null };
  }

  const given = walk(MetadataSchema, value.metadata ?? {}, [...path, 'metadata'], findings) as Static<
    typeof MetadataSchema
  >;
  const sound = findings.length === before;
  if (sound && known.names !== undefined && !known.names.includes(given.name)) {
    const message = `a ${kind} is named ${known.names.join(' or ')}, not ${quote(given.name)}: there is one a mesh`;
    findings.push({ severity: 'error', code: 'name', message, path: [...path, 'metadata', 'name'] });
  }
  for (const [name, fault] of Object.entries(known.annotations ?? {})) {
    const text = given.annotations?.[name];
    const message = text === undefined ? null : fault(text);
    if (message === null) continue;
    findings.push({ severity: 'error', code: 'annotation', message, path: [...path, 'metadata', 'annotations', name] });
  }
  if (
    given.annotations?.[DRY_RUN] !== undefined &&
    known.annotations?.[DRY_RUN] === undefined &&
    OURS.test(known.group)
  ) {
    const message = `a ${kind} is enforced, ${DRY_RUN} or not: only AuthorizationPolicies are tried`;
    findings.push({
      severity: 'error',
      code: 'annotation',
      message,
      path: [...path, 'metadata', 'annotations', DRY_RUN],
    });
  }
  const metadata = sound ? metadataOf(given, known.scope) : null;
  for (const name of Object.keys(value)) {
    if (ENVELOPE.includes(name) || known.ignore?.includes(name)) continue;
    const meant = closest(name, ENVELOPE);
    const message = `unknown field ${quote(name)}${meant === null ? '' : `, did you mean ${quote(meant)}?`}`;
    findings.push({ severity: 'error', code: 'field_unknown', message, path: [...path, name] });
  }
  const spec = walk(known.spec, value.spec ?? {}, [...path, 'spec'], findings);

  const about = metadata === null ? null : { apiVersion, kind, metadata };
  if (about === null || hasErrors(findings, before)) return { resource: null, about };
  const resource = Object.freeze({ ...about, spec });
  known.check?.(resource, reportTo(findings, path));
  return { resource: hasErrors(findings, before) ? null : resource, about };
}

/** Kinds whose resources do something by what they say. */
const OURS = /(?:\.istio\.io|^weft\.dev)$/;

function hasErrors(findings: readonly Finding[], from: number): boolean {
  for (let i = from; i < findings.length; i++) if (findings[i].severity === 'error') return true;
  return false;
}

function reportTo(findings: Finding[], root: Path): Report {
  const tell =
    (severity: Finding['severity']): Report['error'] =>
    (path, code, message) => {
      findings.push({ severity, code, message, path: [...root, ...path] });
    };
  return { error: tell('error'), warning: tell('warning') };
}

const ENVELOPE = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

function metadataOf(given: Static<typeof MetadataSchema>, scope: 'namespace' | 'cluster'): Metadata {
  const namespace = scope === 'cluster' ? '' : given.namespace || 'default';
  const { [LAST_APPLIED]: _, ...annotations } = given.annotations ?? {};
  return Object.freeze({
    name: given.name,
    namespace,
    ...(given.labels !== undefined && Object.keys(given.labels).length > 0 && { labels: given.labels }),
    ...(Object.keys(annotations).length > 0 && { annotations: Object.freeze(annotations) }),
  });
}
