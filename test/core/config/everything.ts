// One resource of every kind and every section, for tests that go over all of them.

export const EVERYTHING = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: everything, namespace: shop}
spec:
  hosts: [shop.example.com, "*.shop.example.com"]
  gateways: [mesh, edge, other/edge]
  exportTo: ["."]
  http:
  - name: first
    match:
    - name: m
      uri: {prefix: /a}
      scheme: {exact: https}
      method: {exact: GET}
      authority: {regex: ".*"}
      headers: {end-user: {exact: jason}, x-present: {}, ":path": {prefix: /}}
      withoutHeaders: {x-no: {}}
      queryParams: {q: {exact: "1"}, present: {}}
      port: 80
      sourceLabels: {app: web}
      sourceNamespace: shop
      gateways: [mesh]
      ignoreUriCase: true
      statPrefix: s
    route:
    - destination: {host: reviews, subset: v1, port: {number: 9080}}
      weight: 90
      headers: {response: {set: {x: "1"}, add: {y: "2"}, remove: [z]}}
    - destination: {host: reviews.other.svc.cluster.local}
      weight: 10
    rewrite: {uri: /b, authority: c.com}
    timeout: 1h30m
    retries: {attempts: 3, perTryTimeout: 0.5s, retryOn: "5xx,connect-failure,503", backoff: 25ms, retryRemoteLocalities: true}
    fault: {delay: {fixedDelay: 7s, percentage: {value: 0.1}}, abort: {grpcStatus: UNAVAILABLE}}
    mirrors: [{destination: {host: shadow}, percentage: {value: 5}}]
    corsPolicy: {allowOrigins: [{exact: "https://a.com"}], allowMethods: [GET], maxAge: 24h, allowCredentials: true}
    headers: {request: {set: {x-a: b}}}
  - match: [{uri: {exact: /old}}]
    redirect: {uri: /new, redirectCode: 308, derivePort: FROM_REQUEST_PORT}
  - match: [{uri: {regex: "/v[0-9]+/.*"}}]
    directResponse: {status: 503, body: {string: closed}}
  - delegate: {name: more, namespace: other}
  tls:
  - match: [{sniHosts: [shop.example.com], port: 27017, destinationSubnets: [10.0.0.0/8], sourceLabels: {app: web}, sourceNamespace: shop}, {sniHosts: [b.shop.example.com], port: 27017}]
    route: [{destination: {host: secure, port: {number: 443}, subset: v1}, weight: 90}, {destination: {host: "*.wild.com"}, weight: 10}]
  - match: [{sniHosts: [a.shop.example.com], gateways: [mesh]}]
    route: [{destination: {host: secure}}]
  tcp:
  - match: [{port: 27017, destinationSubnets: [10.0.0.0/8], sourceSubnet: 10.0.0.0/8, sourceLabels: {app: web}, sourceNamespace: shop}]
    route: [{destination: {host: mongo, port: {number: 27017}, subset: v1}, weight: 90}, {destination: {host: other}, weight: 10}]
  - match: [{gateways: [mesh]}]
    route: [{destination: {host: reviews, port: {number: 9080}}, weight: 1}, {destination: {host: "*.wild.com"}, weight: 1}]
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: everything}
spec:
  host: reviews
  workloadSelector: {matchLabels: {app: web}}
  trafficPolicy:
    loadBalancer:
      consistentHash: {httpCookie: {name: user, ttl: 0s}, maglev: {tableSize: 65537}}
      warmup: {duration: 30s}
      localityLbSetting: {distribute: [{from: a/*, to: {"a/*": 80, "b/*": 20}}], enabled: true}
    connectionPool:
      tcp: {maxConnections: 100, connectTimeout: 30ms, tcpKeepalive: {time: 7200s, interval: 75s}}
      http: {http1MaxPendingRequests: 1, http2MaxRequests: 1, maxRequestsPerConnection: 1, maxRetries: 1, idleTimeout: 1h, h2UpgradePolicy: UPGRADE}
    outlierDetection: {consecutive5xxErrors: 7, interval: 5m, baseEjectionTime: 15m, maxEjectionPercent: 100}
    tls: {mode: MUTUAL, clientCertificate: a, privateKey: b, caCertificates: c, sni: d}
    portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]
    retryBudget: {percent: 20, minRetryConcurrency: 3, budgetInterval: 10s}
  subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: everything}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["ns/*.a.com"], tls: {mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_2}}
  - {port: {number: 53, name: udp, protocol: UDP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: everything}
spec:
  hosts: [db.example.com]
  addresses: [10.1.2.0/24]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{address: 10.1.2.3, ports: {http: 8081}, labels: {v: a}, weight: 2, locality: a/b/c}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: everything}
spec: {address: 127.1.0.3, labels: {app: a}, serviceAccount: a, ports: {http: 80}, network: n}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: everything}
spec:
  metadata: {labels: {app: a}}
  template: {serviceAccount: a, ports: {http: 80}}
  probe: {httpGet: {path: /ready, port: 80}, periodSeconds: 5}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: everything}
spec:
  workloadSelector: {labels: {app: a}}
  egress: [{hosts: ["./*", "~/*", "prod/a.com"], port: {number: 80, protocol: HTTP, name: http}}]
  ingress: [{port: {number: 80, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:8080"}]
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: everything}
spec: {concurrency: 0, environmentVariables: {A: b}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: everything}
spec:
  selector: {matchLabels: {app: a}}
  action: DENY
  rules:
  - {}
  - from: [{source: {principals: ["cluster.local/ns/default/sa/*"], ipBlocks: [10.0.0.0/8, "::1"], notNamespaces: [x]}}]
    to: [{operation: {methods: [GET], paths: ["/a*"], ports: ["80"], hosts: ["*.com"]}}]
    when: [{key: "request.headers[x-a]", values: [b]}, {key: source.ip, notValues: [10.0.0.1]}, {key: "request.auth.claims[a][b]", values: [c]}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: everything}
spec: {selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}, portLevelMtls: {"8080": {mode: DISABLE}}}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: everything}
spec:
  jwtRules:
  - issuer: a
    jwksUri: https://a.com/keys
    audiences: [b]
    fromHeaders: [{name: x-jwt, prefix: "Bearer "}]
    outputClaimToHeaders: [{header: x-user, claim: sub}]
    forwardOriginalToken: true
  - {issuer: b, jwks: '{"keys": []}'}
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: everything}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]
  url: oci://ghcr.io/a/b:1
  phase: AUTHN
  priority: -5
  failStrategy: FAIL_OPEN
  pluginConfig: {a: {b: [1, null]}}
  vmConfig: {env: [{name: A, valueFrom: HOST}, {name: B, value: c}]}
  match: [{mode: SERVER, ports: [{number: 80}]}]
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: everything}
spec:
  tracing: [{providers: [{name: otel}], randomSamplingPercentage: 12.5, customTags: {a: {literal: {value: b}}}}]
  metrics: [{overrides: [{match: {metric: REQUEST_COUNT, mode: CLIENT}, tagOverrides: {a: {operation: REMOVE}, b: {value: "request.method"}}}]}]
  accessLogging: [{filter: {expression: "response.code >= 400"}, disabled: false}]
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRole
metadata: {name: everything}
spec: {rules: [{services: ["*"], methods: [GET], notPaths: [/a], ports: [80], constraints: [{key: "destination.labels[app]", values: [a]}]}]}
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRoleBinding
metadata: {name: everything}
spec:
  subjects: [{user: "*", properties: {source.namespace: default, "request.auth.claims[a]": b}}, {names: [a], ips: [10.0.0.0/8]}]
  roleRef: {kind: ServiceRole, name: everything}
  mode: PERMISSIVE
---
apiVersion: rbac.istio.io/v1alpha1
kind: RbacConfig
metadata: {name: default}
spec: {mode: ON_WITH_EXCLUSION, exclusion: {namespaces: [a]}}
---
apiVersion: rbac.istio.io/v1alpha1
kind: ClusterRbacConfig
metadata: {name: default}
spec: {mode: OFF}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: Gateway
metadata: {name: everything}
spec:
  gatewayClassName: weft
  listeners:
  - {name: http, port: 80, protocol: HTTP, hostname: "*.a.com", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {a: b}}}}}
  - {name: https, port: 443, protocol: HTTPS, tls: {mode: Terminate, certificateRefs: [{name: c}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: everything}
spec:
  parentRefs: [{name: everything, sectionName: http}]
  hostnames: [www.a.com]
  rules:
  - matches: [{path: {type: RegularExpression, value: "/a.*"}, method: GET, headers: [{name: x, value: y}], queryParams: [{type: RegularExpression, name: q, value: "[0-9]+"}]}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}], remove: [c]}}
    - {type: URLRewrite, urlRewrite: {hostname: b.com, path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}, percent: 5}}
    backendRefs: [{name: a, port: 80, weight: 3}]
    timeouts: {request: 10s, backendRequest: 2s}
  - filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301, path: {type: ReplaceFullPath, replaceFullPath: /c}}}]
---
apiVersion: v1
kind: Service
metadata: {name: everything}
spec: {selector: {app: a}, type: ClusterIP, clusterIP: 10.0.0.1, ports: [{name: http, port: 80, targetPort: web, appProtocol: http}, {name: tcp, port: 81, targetPort: 8081}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: everything}
automountServiceAccountToken: false
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: everything}
spec:
  replicas: 2
  selector: {matchLabels: {app: a}}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: a, version: v1}, annotations: {a: b}}
    spec: {serviceAccountName: a, containers: [{name: a, image: b, ports: [{containerPort: 80}], resources: {limits: {cpu: 1}}}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: weft.dev/v1
kind: FilterChain
metadata: {name: everything}
spec: {selector: {matchLabels: {app: a}}, direction: inbound, insert: [{filter: everything, before: rbac, config: {a: 1}}], disable: [telemetry]}
---
apiVersion: weft.dev/v1
kind: RateLimitPolicy
metadata: {name: everything}
spec: {limits: [{name: a, requests: 10, per: 1s, burst: 20, by: [{header: x-user}, {source: principal}, {claim: sub}, {path: true}], match: {methods: [GET], path: {prefix: /a}}, shadow: true}], scope: mesh, enableXRatelimitHeaders: DRAFT_VERSION_03, failOpen: false}
---
apiVersion: weft.dev/v1
kind: Plugin
metadata: {name: everything}
spec:
  digest: sha256:${'0123456789abcdef'.repeat(4)}
  source: npm:hello@1.0.0
  enabled: true
  type: http
  rootId: hello
  vmId: workers
  config: {greeting: hi}
  vmConfig: {configuration: a, env: {A: b}}
  capabilities: [http_call]
  upstreams: [ratings]
  phase: AUTHZ
  priority: 10
  failStrategy: FAIL_RELOAD
  isolation: pool
  limits: {memoryMiB: 16}
`;
