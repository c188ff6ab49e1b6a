// What Istio's validation takes and refuses of WorkloadEntries, WorkloadGroups and ProxyConfigs.

import type { Cases } from './cases.ts';

export const WORKLOAD_ENTRY: Cases = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadEntry',
  taken: [
    '{address: 1.2.3.4}',
    "{address: '2001:db8::1', network: a}",
    '{address: unix:///lon/google/com}',
    '{address: unix://@lon}',
    "{address: validdns.com, ports: {'7777': 7777}}",
    '{address: 172.16.1.1, ports: {http: 80, GRPC-a: 65535}, weight: 1, locality: a/b, serviceAccount: a}',
    "{address: a, labels: {app: a, version: ''}}",
  ],
  warned: [['{network: network-2}', '']],
  refused: [
    ['{}', ''],
    ["{address: ''}", ''],
    ['{address: invaliddns.com:9443}', 'address'],
    ["{address: '*.a.com'}", 'address'],
    ['{address: 10.0.0.0/8}', 'address'],
    ['{address: a.1}', 'address'],
    ['{address: unix:///dir/}', 'address'],
    ["{address: 'unix:///'}", 'address'],
    ["{address: 'unix://'}", 'address'],
    ['{address: unix://relative}', 'address'],
    ['{address: unix://@foo, ports: {http: 80}}', 'ports'],
    ['{address: 1.1.1.1, ports: {http: 99999}}', 'ports/http'],
    ['{address: 1.1.1.1, ports: {http: 0}}', 'ports/http'],
    ["{address: 1.1.1.1, ports: {'@': 80}}", 'ports/@'],
    ["{address: 1.1.1.1, labels: {a: 'b c'}}", 'labels/a'],
    ["{address: 1.1.1.1, labels: {'.': a}}", 'labels/.'],
  ],
};

const probed = (fields: string): string => `{template: {}, probe: {${fields}}}`;
const TCP = 'tcpSocket: {port: 5}';

export const WORKLOAD_GROUP: Cases = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadGroup',
  taken: [
    '{template: {}}',
    '{template: {serviceAccount: sa, network: net}, metadata: {labels: {app: a}, annotations: {b: "c d"}}}',
    probed('httpGet: {port: 5}'),
    probed('httpGet: {port: 5, path: /ready, scheme: HTTPS, host: a, httpHeaders: [{name: x-a, value: b}]}'),
    probed("httpGet: {port: 5, scheme: ''}"),
    probed(TCP),
    probed('exec: {command: [foo, bar]}'),
    probed('grpc: {port: 5, service: a}'),
    probed(`${TCP}, initialDelaySeconds: 0, timeoutSeconds: 1, periodSeconds: 2, failureThreshold: 3`),
  ],
  warned: [],
  refused: [
    ['{}', ''],
    ["{template: {}, metadata: {labels: {'.': '~'}}}", 'metadata/labels/.'],
    ["{template: {}, metadata: {labels: {a: '~'}}}", 'metadata/labels/a'],
    [probed(''), 'probe'],
    [probed('periodSeconds: 1'), 'probe'],
    [probed('httpGet: {}'), 'probe/httpGet'],
    [probed('httpGet: {port: 0}'), 'probe/httpGet/port'],
    [probed('httpGet: {port: 80, scheme: ftp}'), 'probe/httpGet/scheme'],
    [probed("httpGet: {port: 80, httpHeaders: [{name: '**'}]}"), 'probe/httpGet/httpHeaders/0/name'],
    [probed("httpGet: {port: 80, httpHeaders: [{name: ''}]}"), 'probe/httpGet/httpHeaders/0/name'],
    [probed('httpGet: {port: 80, httpHeaders: [{value: a}]}'), 'probe/httpGet/httpHeaders/0'],
    [probed('tcpSocket: {}'), 'probe/tcpSocket'],
    [probed('tcpSocket: {port: 65536}'), 'probe/tcpSocket/port'],
    [probed('exec: {}'), 'probe/exec'],
    [probed('exec: {command: []}'), 'probe/exec/command'],
    [probed(`${TCP}, httpGet: {port: 5}`), 'probe/tcpSocket'],
    [probed(`${TCP}, periodSeconds: -1`), 'probe/periodSeconds'],
    [probed(`${TCP}, initialDelaySeconds: -1`), 'probe/initialDelaySeconds'],
    [probed(`${TCP}, timeoutSeconds: -1`), 'probe/timeoutSeconds'],
    [probed(`${TCP}, successThreshold: -1`), 'probe/successThreshold'],
    [probed(`${TCP}, failureThreshold: -1`), 'probe/failureThreshold'],
  ],
};

export const PROXY_CONFIG: Cases = {
  apiVersion: 'networking.istio.io/v1beta1',
  kind: 'ProxyConfig',
  taken: [
    '{}',
    '{concurrency: 0}',
    '{concurrency: 8, environmentVariables: {A: b}}',
    '{selector: {matchLabels: {a: b}}}',
  ],
  warned: [
    ['{selector: {}}', 'selector'],
    ['{selector: {matchLabels: {}}}', 'selector'],
  ],
  refused: [
    ['{concurrency: -1}', 'concurrency'],
    ["{selector: {matchLabels: {'': bar}}}", 'selector/matchLabels/'],
    ["{selector: {matchLabels: {a: 'b*'}}}", 'selector/matchLabels/a'],
  ],
};
