// What Istio's validation takes and refuses of an HTTP route's matches and of the headers that it changes.

import type { Cases } from './cases.ts';
import { VIRTUAL_SERVICE_KIND } from './virtual-service.ts';

const TO = 'route: [{destination: {host: foo.baz}}]';
const match = (fields: string, of = 'hosts: [foo.bar]'): string => `{${of}, http: [{match: [{${fields}}], ${TO}}]}`;
const headers = (fields: string): string => `{hosts: [foo.bar], http: [{${TO}, headers: {${fields}}}]}`;
const destination = (fields: string): string =>
  `{hosts: [foo.bar], http: [{route: [{destination: {host: a}, headers: {${fields}}}]}]}`;
const value = (text: string): string => headers(`response: {set: {name: '${text}'}}`);

const AT = 'http/0/match/0';
const EDGE = 'hosts: [foo.bar], gateways: [edge]';
const SET = 'http/0/headers/response/set/name';
const FIELDS = ['request/add', 'request/set', 'response/add', 'response/set'] as const;

function operation(path: string, name: string): string {
  const [side, field] = path.split('/');
  return destination(`${side}: {${field}: ${field === 'remove' ? `['${name}']` : `{'${name}': value}`}}`);
}

export const HTTP_MATCHES: Cases = {
  ...VIRTUAL_SERVICE_KIND,
  taken: [
    match(''),
    `{hosts: [foo.bar], http: [{match: [], ${TO}}]}`,
    match('name: a, ignoreUriCase: true, uri: {prefix: /a}, scheme: {exact: https}, method: {regex: GET|POST}'),
    match("uri: {prefix: ''}"),
    match("uri: {exact: ''}, authority: {exact: ''}"),
    match('uri: {}, scheme: {}, method: {}, authority: {}'),
    match('headers: {X-Requested-With: {exact: a}, funky!$#_: {prefix: b}, present: {}}'),
    match("headers: {':authority': {exact: a}, ':method': {exact: b}, ':path': {prefix: /}, ':scheme': {}}"),
    match("headers: {x: {exact: ''}}, queryParams: {q: {exact: ''}, present: {}}"),
    match('withoutHeaders: {x: {}, y: {exact: a}, z: {regex: "*"}}'),
    match('queryParams: {q: {prefix: test}, r: {regex: "[0-9]+"}}'),
    match('port: 80, sourceLabels: {app: a}, gateways: [mesh, ns1/edge], sourceNamespace: test, statPrefix: s'),
    match("port: 0, sourceNamespace: ''"),
    match("headers: {'@request.auth.claims.foo': {exact: bar}}", EDGE),
    match("headers: {'@request.auth.claims[a][b]': {exact: bar}}", EDGE),
    match("withoutHeaders: {'@request.auth.claims.foo': {exact: bar}}", EDGE),
    headers("request: {add: {name: ''}, set: {name: ''}, remove: [name]}"),
    headers("response: {add: {name: ''}, set: {name: ''}, remove: [name]}"),
    destination("request: {add: {name: ''}, set: {name: ''}, remove: [name]}, response: {set: {a: b}}"),
    headers("request: {set: {':authority': foo}}"),
    headers('request: {add: {Host: foo}}'),
    destination("request: {set: {':authority': foo}}"),
    value('100%%'),
    value('100%% and more'),
    value('%HOSTNAME%'),
    value('prefix %HOSTNAME% suffix'),
    value('%REQ(x-a?:authority)%'),
    value('%START_TIME(%Y/%m/%dT%H:%M:%S)%'),
    value('%DYNAMIC_METADATA(com.test.my_filter)%'),
  ],
  warned: [],
  refused: [
    [match('headers: {header: null}'), `${AT}/headers/header`],
    [match("headers: {'': {exact: a}}"), `${AT}/headers/`],
    [match("headers: {'::': {exact: a}}"), `${AT}/headers/::`],
    [match(`headers: {'illegal"char': {exact: a}}`), `${AT}/headers/illegal"char`],
    [match("headers: {x: {prefix: ''}}"), `${AT}/headers/x/prefix`],
    [match("headers: {x: {regex: ''}}"), `${AT}/headers/x/regex`],
    [match("headers: {x: {regex: '['}}"), `${AT}/headers/x/regex`],
    [match("withoutHeaders: {x: {regex: '('}}"), `${AT}/withoutHeaders/x/regex`],
    [match("withoutHeaders: {'a b': {}}"), `${AT}/withoutHeaders/a b`],
    [match("uri: {regex: ''}"), `${AT}/uri/regex`],
    [match(`uri: {regex: ${'a'.repeat(1025)}}`), `${AT}/uri/regex`],
    [match("method: {regex: ''}"), `${AT}/method/regex`],
    [match("method: {prefix: ''}"), `${AT}/method/prefix`],
    [match("scheme: {regex: ''}"), `${AT}/scheme/regex`],
    [match("scheme: {prefix: ''}"), `${AT}/scheme/prefix`],
    [match("authority: {prefix: ''}"), `${AT}/authority/prefix`],
    [match("queryParams: {q: {regex: ''}}"), `${AT}/queryParams/q/regex`],
    [match("queryParams: {q: {prefix: ''}}"), `${AT}/queryParams/q/prefix`],
    [match('uri: {exact: /a, prefix: /a}'), `${AT}/uri/prefix`],
    [match('port: 65536'), `${AT}/port`],
    [match("sourceLabels: {'@': a}"), `${AT}/sourceLabels/@`],
    [match("gateways: ['*/a']"), `${AT}/gateways/0`],
    [match('sourceNamespace: a b'), `${AT}/sourceNamespace`],
    [match("headers: {'@request.auth.claims.foo': {exact: bar}}"), `${AT}/headers/@request.auth.claims.foo`],
    [
      match("withoutHeaders: {'@request.auth.claims.foo': {}}", 'hosts: [foo.bar], gateways: [mesh]'),
      `${AT}/withoutHeaders/@request.auth.claims.foo`,
    ],
    ...FIELDS.map((field) => [operation(field, ''), `http/0/route/0/headers/${field}/`] as const),
    ...FIELDS.map((field) => [operation(field, ':path'), `http/0/route/0/headers/${field}/:path`] as const),
    ...['response/add', 'response/set'].map(
      (field) => [operation(field, 'Host'), `http/0/route/0/headers/${field}/Host`] as const,
    ),
    ...['request/remove', 'response/remove'].flatMap((field) =>
      ['', 'host', ':authority'].map((name) => [operation(field, name), `http/0/route/0/headers/${field}/0`] as const),
    ),
    [
      `{hosts: [foo.bar], http: [{${TO}, rewrite: {authority: bar}, headers: {request: {set: {':authority': foo}}}}]}`,
      'http/0/rewrite/authority',
    ],
    [headers('request: {set: {host: a}, add: {":authority": b}}'), 'http/0/headers/request/add/:authority'],
    [value('abcd%oijasodifj'), SET],
    [value('100%'), SET],
    [value('%START_TIME%%'), SET],
    [value('%REQ(x-a%'), SET],
    [value('%REQ(x-a)'), SET],
    [headers('request: {add: {a: "b\\u0000"}}'), 'http/0/headers/request/add/a'],
  ],
  laxer: [match("headers: {x: {regex: '*'}}"), match("queryParams: {q: {regex: '*'}}")],
  stricter: [
    [headers("request: {set: {'x y': a}}"), 'http/0/headers/request/set/x y'],
    [headers("request: {set: {':authority': 'a b'}}"), 'http/0/headers/request/set/:authority'],
    [match("headers: {x: {regex: '((a?){30}){30}'}}"), `${AT}/headers/x/regex`],
  ],
};
