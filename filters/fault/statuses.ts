// Statuses of HTTP and gRPC for each other, as Envoy maps them.

import { NO_GRPC } from '../../core/builtins/fault/layout';

/** One number for both: the HTTP status, or 1000 + the gRPC status; -1 for neither. */
export function codeOf(http: i32, grpc: i32): i32 {
  if (grpc != NO_GRPC) return 1000 + grpc;
  return http == 0 ? -1 : http;
}

/** What a client that does not speak gRPC is answered. */
export function httpStatusOf(grpc: i32): i32 {
  switch (grpc) {
    case 0:
      return 200;
    case 1:
      return 499;
    case 3:
    case 9:
    case 11:
      return 400;
    case 4:
      return 504;
    case 5:
      return 404;
    case 6:
    case 10:
      return 409;
    case 7:
      return 403;
    case 8:
      return 429;
    case 12:
      return 501;
    case 14:
      return 503;
    case 16:
      return 401;
    default:
      return 500;
  }
}

/** What a gRPC client is answered in place of an HTTP status. */
export function grpcStatusOf(http: i32): i32 {
  switch (http) {
    case 200:
      return 0;
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}
