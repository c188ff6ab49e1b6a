import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { suite, type TestContext, test } from 'node:test';
import { Crew, type Life } from '../../../core/threads/crew.ts';
import { type Order, WORK } from './crew-task.ts';

interface State {
  readonly said: string[];
}

const TASK = new URL('./crew-task.ts', import.meta.url);
/** Long enough that a busy machine does not make a thread look stuck that only waits for its turn. */
const SILENT_MS = 3_000;
const WORKING_MS = 1_000;
const PATIENCE_MS = 120_000;

/** A crew whose threads serve when they have said hello, and what it was told of them, in order. */
function crewOf(t: TestContext, count: number, atOnce = false) {
  const events = new EventEmitter();
  const told: string[] = [];
  const tell = (line: string): void => {
    told.push(line);
    events.emit('told');
  };
  const crew: Crew<State, string> = new Crew<State, string>({
    count,
    name: 'hand',
    file: TASK,
    threads: { resourceLimits: { maxYoungGenerationSizeMb: 4 } },
    limits: { silentMs: SILENT_MS, workingMs: WORKING_MS },
    log: (level, _component, message) => tell(`${level}: ${message}`),
    state: () => ({ said: [] }),
    start: () => ({ greeting: 'hello from' }),
    begun: ({ index, order }) => tell(`begun ${index} as ${order}`),
    received(life, message) {
      crew.started(life);
      life.serving = life.alive;
      life.state.said.push(message);
      tell(message);
    },
    stuck(life, _stillMs, work) {
      tell(`stuck ${life.index} at ${work}`);
      crew.replace(life, 'it is stuck', atOnce);
    },
    ended: ({ index, serving }) => tell(`ended ${index} ${serving}`),
    died: (index) => tell(`died ${index}`),
  });
  t.after(() => crew.stop());
  /** Resolves when so many lines say this, which are more than were before. */
  const says = async (what: string | RegExp, times = 1): Promise<string> => {
    const fits = (line: string): boolean => (typeof what === 'string' ? line === what : what.test(line));
    while (told.filter(fits).length < times) await once(events, 'told');
    return told.findLast(fits)!;
  };
  const order = (index: number, message: Order): void => crew.at(index)!.port.postMessage(message);
  const serve = async (): Promise<void> => {
    while (crew.serving < count) await once(events, 'told');
  };
  return { crew, told, says, order, serve };
}

suite('a crew of threads', { timeout: PATIENCE_MS }, () => {
  test('begins nobody until it is told to, then each once, with what it is given and a channel of its own', async (t) => {
    const { crew, told, says, order, serve } = crewOf(t, 3);
    assert.deepEqual([crew.living.length, crew.born, crew.serving, crew.at(1)], [0, 0, 0, null]);
    crew.beginAt(1);
    crew.begin();
    crew.begin();
    await serve();
    assert.deepEqual(told.filter((line) => line.startsWith('begun')).sort(), [
      'begun 0 as 2',
      'begun 1 as 1',
      'begun 2 as 3',
    ]);
    order(2, 'answer');
    await says('2 answers');
    assert.deepEqual(
      crew.living.map(({ state }) => state.said),
      [['hello from 0'], ['hello from 1'], ['hello from 2', '2 answers']],
    );
    assert.deepEqual([crew.born, crew.restarts], [3, 0]);
  });

  for (const [how, said] of [
    [
      'throw',
      /^error: hand 0 failed: TypeError: thrown \(.*crew-task\.ts:\d+:\d+\); started again in 50 ms, 1 of 2 hands serve on$/,
    ],
    [
      'reject',
      /^error: hand 0 failed: rejected \(.*crew-task\.ts:\d+:\d+\); started again in 50 ms, 1 of 2 hands serve on$/,
    ],
    ['exit', /^error: hand 0 failed: worker exited with code: 3 .*; started again in 50 ms, 1 of 2 hands serve on$/],
    ['settle', /^error: hand 0 failed: its task ended; started again in 50 ms, 1 of 2 hands serve on$/],
  ] as const) {
    test(`puts another in the place of one that ends by ${how}, and leaves the others alone`, async (t) => {
      const { crew, told, says, order, serve } = crewOf(t, 2);
      crew.begin();
      await serve();
      const other = crew.at(1);
      const first = crew.at(0)!;
      order(0, how);
      await says(said);
      assert.deepEqual([crew.at(0), first.alive, first.serving, crew.serving], [null, false, false, 1]);
      // Who asks meanwhile does not shorten the pause.
      crew.begin();
      assert.equal(crew.at(0), null);
      await says('died 0');
      await says('info: hand 0 is started again');
      await serve();
      assert.equal(crew.at(0)!.order, 3);
      assert.equal(crew.at(1), other);
      assert.deepEqual([crew.restarts, crew.born], [1, 3]);
      const ofZero = told.filter((line) => /^(ended|died) /.test(line));
      assert.deepEqual(ofZero, ['ended 0 false', 'died 0']);
    });
  }

  test('pauses longer before each that dies soon again', async (t) => {
    const { crew, told, order, serve } = crewOf(t, 1);
    crew.begin();
    for (let deaths = 1; deaths <= 3; deaths++) {
      await serve();
      order(0, 'exit');
      while (crew.restarts < deaths) await new Promise((resolve) => setImmediate(resolve));
    }
    await serve();
    const waits = told.flatMap((line) => /started again in (\d+) ms/.exec(line)?.[1] ?? []);
    assert.deepEqual(waits, ['50', '100', '200']);
  });

  test('hears of one that is stuck at work, of what it works on, and can replace it at once', async (t) => {
    const { crew, told, says, order, serve } = crewOf(t, 2, true);
    crew.begin();
    await serve();
    order(0, 'loop at work');
    await says(`stuck 0 at ${WORK}`);
    await says('error: hand 0 failed: it is stuck; started again in 0 ms, 1 of 2 hands serve on');
    await says('info: hand 0 is started again');
    await serve();
    assert.deepEqual(
      told.filter((line) => line.startsWith('stuck')),
      [`stuck 0 at ${WORK}`],
    );
  });

  test('hears of one whose heart does not beat, though it works on nothing', async (t) => {
    const { crew, says, order, serve } = crewOf(t, 1);
    crew.begin();
    await serve();
    order(0, 'loop');
    await says('stuck 0 at 0');
    await serve();
    assert.equal(crew.restarts, 1);
  });

  test('replaces nobody that is dead already', async (t) => {
    const { crew, serve, says } = crewOf(t, 1);
    crew.begin();
    await serve();
    const life: Life<State> = crew.at(0)!;
    crew.replace(life, 'one reason');
    crew.replace(life, 'another reason');
    await says('info: hand 0 is started again');
    crew.replace(life, 'a late reason');
    await serve();
    assert.deepEqual([crew.restarts, crew.born], [1, 2]);
  });

  test('that is retired misses nobody, begins nobody, and lets the others go on until it is stopped', async (t) => {
    const { crew, told, says, order, serve } = crewOf(t, 3);
    crew.begin();
    await serve();
    order(0, 'exit');
    await says(/hand 0 failed/);
    // In the middle of a pause.
    crew.retire();
    order(1, 'exit');
    await says('ended 1 false');
    crew.begin();
    assert.deepEqual([crew.living.map(({ index }) => index), crew.restarts, crew.born], [[2], 1, 3]);
    order(2, 'answer');
    await says('2 answers');
    await crew.stop();
    assert.ok(told.includes('ended 2 false'), told.join());
    assert.equal(crew.living.length, 0);
  });
});
