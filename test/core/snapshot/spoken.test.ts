// What a sidecar takes its application to speak: what is declared, else which side speaks first by the port's number or the Service's word.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { compilerFor, node, resources } from './rig.ts';

const service = (ports: string, annotation = '') => `
apiVersion: v1
kind: Service
metadata: { name: mine ${annotation && `, annotations: { weft.dev/server-first-ports: '${annotation}' }`} }
spec: { selector: { app: mine }, ports: [${ports}] }`;

const mesh = (ports: string) => `
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: { serverFirstPorts: [${ports}] }`;

/** 'bytes', 'http', or 'unknown': the first bytes say it. */
function spoken(port: number, ...texts: string[]): string {
  const of = { ...node('sidecar'), app: { address: '127.0.0.1', port }, services: ['mine'], labels: { app: 'mine' } };
  const { tcp } = compilerFor(of).compile({ resources: resources(...texts), endpoints: [] }, 1).snapshot;
  return tcp.inbound !== null ? 'bytes' : tcp.detected !== null ? 'unknown' : 'http';
}

test('ports of well-known protocols whose servers speak first are of bytes, where nothing is declared', () => {
  for (const port of [25, 53, 3306, 4222, 27017]) {
    assert.equal(spoken(port), 'bytes');
    assert.equal(spoken(8080, service(`{ port: ${port}, targetPort: 8080 }`)), 'bytes', `${port} of the Service`);
    assert.equal(spoken(port, service(`{ name: http, port: 80, targetPort: ${port} }`)), 'http');
    assert.equal(spoken(port, service(`{ name: web, port: 80, targetPort: ${port} }`)), 'bytes');
  }
  assert.equal(spoken(8080, service('{ port: 80, targetPort: 8080 }')), 'unknown');
});

test('so are those that a Service or the mesh lists', () => {
  const [smtp, other] = ['{ name: smtp, port: 2525, targetPort: 8080 }', '{ name: web, port: 80, targetPort: 9090 }'];
  for (const listed of ['2525', 'smtp', ' 80 , smtp']) {
    assert.equal(spoken(8080, service(`${smtp}, ${other}`, listed)), 'bytes', listed);
  }
  assert.equal(spoken(9090, service(`${smtp}, ${other}`, 'smtp')), 'unknown');
  for (const ports of ['8080', '9, 2525']) assert.equal(spoken(8080, service(smtp), mesh(ports)), 'bytes', ports);
  assert.equal(spoken(8080, mesh('8080')), 'bytes');
  assert.equal(spoken(8080, service('{ name: grpc-a, port: 2525, targetPort: 8080 }'), mesh('2525')), 'http');
  assert.equal(spoken(8080, service(smtp), mesh('')), 'unknown');
});

test('a list of ports that are not there, or are declared to be of HTTP, is refused', () => {
  const problems = (ports: string, annotation: string) =>
    decodeYaml(service(ports, annotation)).problems.map(({ severity, message }) => `${severity} ${message}`);
  const ports = '{ name: a, port: 80 }, { name: http-b, port: 81 }, { name: c, port: 82, appProtocol: grpc }';
  assert.deepEqual(problems(ports, '80'), []);
  assert.match(problems(ports, '80, d').join(), /error .*no port "d"/);
  for (const listed of ['http-b', '82']) assert.match(problems(ports, listed).join(), /error .*HTTP is spoken there/);
});
