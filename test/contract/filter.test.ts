import { after } from 'node:test';
import { LABOUR, startRig } from '../core/isolation/rig.ts';
import { runtimeFor, specFor } from '../core/wasm/harness.ts';
import { filterContract } from './filter.ts';

const { runtime } = runtimeFor();
const inline = runtime.configure(specFor(LABOUR));
const rig = startRig();
const isolated = rig.plugin();
after(async () => {
  runtime.stop();
  await rig.stop();
});

filterContract('in the shard', () => inline);
filterContract('on a thread of its own', () => isolated);
