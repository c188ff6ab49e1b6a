// What a scenario is: one kind of request, repeated. Types only.

export interface Scenario {
  readonly name: string;
  /** One line for the reports. */
  readonly about: string;
  readonly method: 'GET' | 'POST';
  readonly requestBodyBytes: number;
  /** The upstream serves a body of this size under `/SIZE`. */
  readonly responseBodyBytes: number;
  /** Kept alive, all busy all the time. */
  readonly connections: number;
}
