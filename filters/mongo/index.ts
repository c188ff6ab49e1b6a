// mongo: what commands a connection carries, how long each takes, and which fail. It reads both sides and changes neither; where it
// cannot read on, it counts that once and lets everything pass.

import { CommandCounts, commandCounts, Counts } from '../commands/counts';
import { Names } from '../commands/names';
import { Action, Body, Counter, counter, elapsed, histogram, NetworkFilter, Plugin, register, Slice } from '../sdk/index';
import { BAD, MESSAGE, Messages, OP_COMPRESSED, OP_GET_MORE, OP_MSG, OP_QUERY } from './messages';
import { Waiting } from './waiting';

/** The rest counts as one. */
const NAMES = new Names(
  'abortTransaction aggregate authenticate buildInfo bulkWrite collMod collStats commitTransaction connectionStatus convertToCapped ' +
    'count create createIndexes createUser currentOp dbStats delete distinct drop dropDatabase dropIndexes dropUser endSessions ' +
    'explain find findAndModify findandmodify fsync getLog getMore getParameter getnonce hello hostInfo insert isMaster ismaster ' +
    'killAllSessions killCursors killOp killSessions listCollections listCommands listDatabases listIndexes logout mapReduce ping ' +
    'profile refreshSessions renameCollection replSetGetStatus saslContinue saslStart serverStatus setParameter shutdown ' +
    'startSession top update usersInfo validate whatsmyuri',
);
/** OP_MSG: nothing is answered. */
const MORE_TO_COME: u32 = 2;

class MongoCounts extends Counts {
  constructor(private readonly label: string) {
    super(NAMES);
  }

  make(command: string): CommandCounts {
    const labels = '{envoy_mongo_cmd="' + command + '",' + this.label + '}';
    return commandCounts(
      counter('envoy_mongo_cmd_total' + labels),
      null,
      counter('weft_mongo_cmd_errors_total' + labels),
      histogram('envoy_mongo_cmd_reply_time_ms' + labels),
    );
  }
}

class Mongo extends NetworkFilter {
  counts: MongoCounts | null = null;
  malformed: Counter = changetype<Counter>(0);

  /** `prefix`: what its figures are told apart by, as it stands in a label. */
  onConfigure(prefix: Slice): bool {
    const label = 'envoy_mongo_prefix="' + prefix.toString() + '"';
    this.malformed = counter('envoy_mongo_decoding_error{' + label + '}');
    this.malformed.define();
    const counts = new MongoCounts(label);
    counts.begin();
    this.counts = counts;
    return true;
  }

  forConnection(): NetworkFilter {
    return new MongoConnection(this);
  }
}

class MongoConnection extends NetworkFilter {
  private readonly requests: Messages = new Messages(NAMES, false);
  private readonly answers: Messages = new Messages(NAMES, true);
  private readonly waiting: Waiting = new Waiting();
  private readable: bool = true;

  constructor(private readonly service: Mongo) {
    super();
  }

  onDownstreamData(data: Body): Action {
    if (!this.readable || data.size == 0) return Action.Continue;
    const requests = this.requests;
    requests.feed(data.read());
    const micros = elapsed() / 1000;
    let read = requests.next();
    for (; read == MESSAGE; read = requests.next()) {
      this.service.counts!.of(requests.command).total.add();
      if (isAnswered(requests)) this.waiting.add(requests.id, requests.command, micros);
    }
    if (read == BAD) this.giveUp();
    return Action.Continue;
  }

  onUpstreamData(data: Body): Action {
    if (!this.readable || data.size == 0) return Action.Continue;
    const answers = this.answers;
    answers.feed(data.read());
    const micros = elapsed() / 1000;
    let read = answers.next();
    for (; read == MESSAGE; read = answers.next()) {
      // Of several answers to one command the first is the one that was waited for.
      const waited = this.waiting.find(answers.answers);
      if (waited < 0) continue;
      const counts = this.service.counts!.of(this.waiting.commandAt(waited));
      if (answers.failed) counts.error.add();
      counts.latency.record((micros - this.waiting.microsAt(waited)) / 1000);
      this.waiting.remove(waited);
    }
    if (read == BAD) this.giveUp();
    return Action.Continue;
  }

  private giveUp(): void {
    this.readable = false;
    this.service.malformed.add();
  }
}

function isAnswered(request: Messages): bool {
  if (request.opcode == OP_MSG) return (request.flags & MORE_TO_COME) == 0;
  return request.opcode == OP_QUERY || request.opcode == OP_GET_MORE || request.opcode == OP_COMPRESSED;
}

register((): Plugin => new Mongo());
