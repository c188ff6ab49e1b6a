// Istio's own samples decode as they are, where they are at hand; what they ask for and do not get is named.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { decodeFiles, decodeResource, decodeYaml, formatProblem, placeProblems } from '../../../core/config/decode.ts';
import { KINDS, type KindName } from '../../../core/config/kind-names.ts';
import { kindName } from '../../../core/config/resource.ts';
import { crossCheck } from '../../../core/config/validate.ts';

const SAMPLES = join(import.meta.dirname, '../../../../shared/samples/istio');
const here = existsSync(SAMPLES);

function read(folder: string): { file: string; text: string }[] {
  return (readdirSync(join(SAMPLES, folder), { recursive: true }) as string[])
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => ({ file, text: readFileSync(join(SAMPLES, folder, file), 'utf8') }));
}

if (here) {
  for (const { file, text } of read('bookinfo')) {
    test(`bookinfo/${file} decodes without a problem, to the same as its own output`, () => {
      const { resources, problems } = decodeYaml(text, file);
      assert.deepEqual(problems.map(formatProblem), []);
      assert.ok(resources.length > 0);
      for (const resource of resources) {
        assert.deepEqual(decodeResource(JSON.parse(JSON.stringify(resource))), { resource, problems: [] });
        assert.ok(
          Value.Check(KINDS[kindName(resource) as KindName].spec, resource.spec),
          'TypeBox reads the schema alike',
        );
      }
    });
  }

  for (const { file, text } of read('rbac-v1alpha1').filter(({ file }) => file !== 'rbac-permissive-telemetry.yaml')) {
    test(`rbac-v1alpha1/${file} decodes without a problem`, () => {
      const { resources, problems } = decodeYaml(text, file);
      assert.deepEqual(problems.map(formatProblem), []);
      assert.ok(resources.length > 0);
      for (const resource of resources) {
        assert.deepEqual(decodeResource(JSON.parse(JSON.stringify(resource))), { resource, problems: [] });
      }
    });
  }

  test("Mixer's sample is refused by name, with the feature that does the same", () => {
    const [{ file, text }] = read('rbac-v1alpha1').filter(({ file }) => file === 'rbac-permissive-telemetry.yaml');
    const rest =
      'is not supported: Mixer was removed in Istio 1.8; telemetry is configured by Telemetry, rate limits by RateLimitPolicy, access by AuthorizationPolicy (/kind)';
    assert.deepEqual(decodeYaml(text, file).problems.map(formatProblem), [
      'rbac-permissive-telemetry.yaml:3:7: error: instance is not supported: Mixer was removed in Istio 1.8; access logs are configured by Telemetry (accessLogging) (/kind)',
      `rbac-permissive-telemetry.yaml:25:7: error: handler ${rest}`,
      `rbac-permissive-telemetry.yaml:38:7: error: rule ${rest}`,
    ]);
  });

  test('what the samples ask for and do not get is a warning by name, and nothing else is wrong with them together', () => {
    const files = read('bookinfo');
    const base = files.filter(({ file }) => file === 'bookinfo.yaml' || file.endsWith('destination-rule-all.yaml'));
    assert.equal(base.length, 2);
    const said: string[] = [];
    for (const file of files.filter(({ file }) => file.startsWith('networking/'))) {
      const decoded = decodeFiles(
        file.file.includes('destination-rule') || file.file.includes('fault') ? [base[0], file] : [...base, file],
      );
      assert.deepEqual(decoded.problems.map(formatProblem), []);
      said.push(...placeProblems(crossCheck(decoded.resources), decoded).map(formatProblem));
    }
    assert.deepEqual(said, [
      'networking/certmanager-gateway.yaml:33:15: warning [IST0101]: Referenced host not found: "cert-manager-resolver" (/spec/http/0/route/0/destination/host)',
      'networking/fault-injection-details-v1.yaml:18:5: warning [IST0130]: the route #1 is never used: #0 before it takes every request (/spec/http/1)',
    ]);
  });
}
