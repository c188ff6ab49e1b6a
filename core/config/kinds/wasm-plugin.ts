// WasmPlugin: a proxy-wasm filter in the chain of the selected workloads, as Istio declares it.

import { int32, quote, text, textUpTo } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, object, oneOf, optional, type Static, string, struct } from '../schema.ts';
import { PortSelector } from '../schemas/networking.ts';
import { ATTACHMENT, attachment } from '../schemas/selectors.ts';

export const failStrategy = oneOf('FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD');

const SCHEMES = ['oci:', 'file:', 'http:', 'https:'];

/** Without a scheme it is an image: oci://. */
const moduleUrl = string({
  code: 'url',
  check(value) {
    if (value === '') return 'the URL of the module must not be empty';
    const scheme = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(value)?.[1].toLowerCase();
    if (scheme !== undefined && !SCHEMES.includes(scheme)) {
      return `${quote(value)} has an unknown scheme: oci://, file://, http:// or https://`;
    }
    return isUrl(scheme === undefined ? `oci://${value}` : value) ? null : `${quote(value)} is no URL`;
  },
});

const sha256 = string({
  code: 'digest',
  check: (value) =>
    value === '' || /^[0-9a-f]{64}$/.test(value) ? null : `${quote(value)} is no SHA-256: 64 hexadecimal digits`,
});

export const WasmPluginSpec = object(
  {
    ...attachment,
    url: moduleUrl,
    sha256: optional(sha256),
    imagePullPolicy: optional(oneOf('UNSPECIFIED_POLICY', 'IfNotPresent', 'Always')),
    imagePullSecret: optional(textUpTo(253)),
    verificationKey: optional(text),
    pluginConfig: optional(struct()),
    pluginName: optional(textUpTo(256)),
    phase: optional(oneOf('UNSPECIFIED_PHASE', 'AUTHN', 'AUTHZ', 'STATS')),
    priority: optional(int32),
    failStrategy: optional(failStrategy),
    vmConfig: optional(
      object({
        env: optional(
          array(
            object(
              { name: textUpTo(256), valueFrom: optional(oneOf('INLINE', 'HOST')), value: optional(text) },
              {
                check(variable, report) {
                  if (variable.valueFrom === 'HOST' && variable.value) {
                    report.error(
                      ['value'],
                      'contradiction',
                      'valueFrom HOST takes the value from the proxy: value must not be given',
                    );
                  }
                },
              },
            ),
          ),
        ),
      }),
    ),
    match: optional(
      array(
        object({
          mode: optional(oneOf('UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER')),
          ports: optional(array(PortSelector)),
        }),
      ),
    ),
    type: optional(oneOf('UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK')),
  },
  {
    atMostOne: [ATTACHMENT],
    check(spec, report) {
      const digest = /@sha256:([0-9a-f]{64})$/.exec(spec.url)?.[1];
      const names = new Set<string>();
      spec.vmConfig?.env?.forEach(({ name }, i) => {
        if (names.has(name)) report.error(['vmConfig', 'env', i, 'name'], 'duplicate', `${quote(name)} is given twice`);
        names.add(name);
      });
      if (digest !== undefined && spec.sha256 && spec.sha256 !== digest) {
        report.error(['sha256'], 'contradiction', 'sha256 is not the digest that the URL names');
      }
    },
  },
);
export type WasmPluginSpec = Static<typeof WasmPluginSpec>;

export const wasmPlugin = defineKind({
  name: 'WasmPlugin',
  group: 'extensions.istio.io',
  versions: ['v1alpha1'],
  scope: 'namespace',
  spec: WasmPluginSpec,
});

/** Not as browsers mend one: a blank, a stray % and a port that is no number are faults. */
function isUrl(url: string): boolean {
  return /^[^\s\p{Cc}]+$/u.test(url) && !/%(?![0-9a-f]{2})/i.test(url) && URL.canParse(url);
}
