// What the next hop is told of the certificate that a client has shown (x-forwarded-client-cert), as MeshConfig may say it. Types only.

export type ForwardedCertificate =
  | 'SANITIZE'
  | 'FORWARD_ONLY'
  | 'APPEND_FORWARD'
  | 'SANITIZE_SET'
  | 'ALWAYS_FORWARD_ONLY';
