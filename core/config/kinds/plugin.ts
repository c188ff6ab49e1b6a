// Plugin: a filter installed from a source, pinned by digest, and where it stands in the chain.

import { int32, nonEmpty, quote, text, uint32 } from '../formats.ts';
import { defineKind } from '../kind.ts';
import {
  array,
  boolean,
  informative,
  map,
  object,
  oneOf,
  optional,
  type Static,
  string,
  structOrString,
} from '../schema.ts';
import { MatchLabels } from '../schemas/selectors.ts';
import { failStrategy } from './wasm-plugin.ts';

const digest = string({
  code: 'digest',
  check: (value) =>
    /^sha256:[0-9a-f]{64}$/.test(value)
      ? null
      : `${quote(value)} is no digest: write sha256: and 64 hexadecimal digits`,
});

const vmName = string({
  code: 'vm_id',
  check: (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value)
      ? null
      : `${quote(value)} is no name of a virtual machine: letters, digits, dots, dashes and underscores, at most 63`,
});

export const PluginSpec = object(
  {
    /** Of the module's bytes, which proxies fetch by it. */
    digest,
    /** Where it came from: 'npm:name@1.2.0', 'oci://...', 'https://...', 'file:...'. For people; proxies never fetch it. */
    source: informative(optional(nonEmpty)),
    version: informative(optional(text)),
    /** false: installed, and in no chain. Left out: true. */
    enabled: optional(boolean),
    /** Left out: what its callbacks say, http before network before service. */
    type: optional(oneOf('http', 'network', 'service')),
    /** Which plugin of a module that holds several. Left out: ''. */
    rootId: optional(text),
    selector: optional(MatchLabels),
    /** Which traffic it sees. Left out: the server's side and gateways. */
    mode: optional(oneOf('CLIENT', 'SERVER', 'CLIENT_AND_SERVER')),
    /** Handed over as JSON, a text as it is. */
    config: optional(structOrString()),
    /** Plugins of one namespace that name the same one share data and queues. Left out: its own. */
    vmId: optional(vmName),
    vmConfig: optional(
      object({
        /** Handed to proxy_on_vm_start as it is. */
        configuration: optional(text),
        /** WASI environment, by name. */
        env: optional(map(text)),
      }),
    ),
    /** Names of what it may do ('http_call'), as they were agreed to when it was installed. Left out: whatever it imports. */
    capabilities: optional(array(nonEmpty)),
    /** Services that http_call may reach. Left out: none. */
    upstreams: optional(array(nonEmpty)),
    /** Left out: just before the router. */
    phase: optional(oneOf('AUTHN', 'AUTHZ', 'STATS')),
    /** Higher comes first within a phase. */
    priority: optional(int32),
    /** Left out: FAIL_CLOSE. */
    failStrategy: optional(failStrategy),
    /** `pool`: on threads of its own, for slow work. Left out: inline. */
    isolation: optional(oneOf('inline', 'pool')),
    limits: optional(
      object({
        /** Memory of one instance, in MiB. */
        memoryMiB: optional(uint32),
        /** Loop heads and function entries that one callback may pass. */
        fuelPerCallback: optional(uint32),
      }),
    ),
  },
  {
    check(spec, report) {
      if (spec.isolation === 'pool' && (spec.type === 'network' || spec.type === 'service')) {
        report.error(
          ['isolation'],
          'contradiction',
          `pool is for HTTP filters, and this plugin is of type ${spec.type}`,
        );
      }
    },
  },
);
export type PluginSpec = Static<typeof PluginSpec>;

export const plugin = defineKind({
  name: 'Plugin',
  group: 'weft.dev',
  versions: ['v1'],
  scope: 'namespace',
  spec: PluginSpec,
});
