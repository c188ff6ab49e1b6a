// Whether others are told of the workload. Its starter offers it or takes it back, whoever asks admin may fail it, and neither undoes
// what the other said; an end is for good.

import type { Source } from './source.ts';

export class Registration {
  private readonly source: () => Pick<Source, 'register' | 'unregister'> | null;
  private offered: boolean;
  private over = false;
  /** As POST /healthcheck/fail asked for. */
  failed = false;

  constructor(offered: boolean, source: Registration['source']) {
    this.offered = offered;
    this.source = source;
  }

  /** What a source that begins now is to say. */
  get stands(): boolean {
    return this.offered && !this.failed && !this.over;
  }

  offer(offered: boolean): Promise<void> {
    this.offered = offered;
    return this.tell();
  }

  fail(failed: boolean): Promise<void> {
    this.failed = failed;
    return this.tell();
  }

  end(): Promise<void> {
    this.over = true;
    return this.tell();
  }

  private async tell(): Promise<void> {
    const source = this.source();
    await (this.stands ? source?.register() : source?.unregister());
  }
}
