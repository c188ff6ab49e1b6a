// redis: what commands a connection carries, how long each takes, and which fail. It reads both sides and changes neither; where it
// cannot read on, it counts that once and lets everything pass.

import { CommandCounts, commandCounts, Counts } from '../commands/counts';
import { Names } from '../commands/names';
import { Action, Body, bytes, Counter, counter, elapsed, histogram, NetworkFilter, Plugin, register, Slice } from '../sdk/index';
import { Pending } from './pending';
import { ERROR, PUSH, Replies } from './replies';
import { BAD, MORE, Requests } from './requests';

/** The rest counts as one. A service that hears all of these has the last of them counted with the rest as well: see counts.ts. */
const NAMES = new Names(
  'acl append auth bgrewriteaof bgsave bitcount bitfield bitop bitpos blmove blmpop blpop brpop bzmpop bzpopmax bzpopmin client ' +
    'cluster command config copy dbsize decr decrby del discard dump echo eval evalsha exec exists expire expireat fcall flushall ' +
    'flushdb function geoadd geosearch get getbit getdel getex getrange getset hdel hello hexists hget hgetall hincrby hkeys hlen ' +
    'hmget hmset hscan hset hsetnx hvals incr incrby incrbyfloat info keys latency lindex linsert llen lmove lpop lpos lpush lrange ' +
    'lrem lset ltrim memory mget monitor mset msetnx multi object persist pexpire pfadd pfcount ping psubscribe psync pttl publish ' +
    'quit rename restore role rpop rpoplpush rpush sadd scan scard script select set setbit setex setnx setrange sismember slowlog ' +
    'smembers sort spop srem sscan ssubscribe strlen subscribe sunion sync ttl type unlink unwatch wait watch xack xadd xread ' +
    'xreadgroup zadd zcard zincrby zrange zrangebyscore zrank zrem zscore',
);
const CLIENT = numberOf(bytes('client'));
const REPLY = bytes('reply');
/** Behind these a connection says what nobody asked for, or says nothing where it is asked. */
const UNPAIRED: i32[] = [
  numberOf(bytes('subscribe')),
  numberOf(bytes('psubscribe')),
  numberOf(bytes('ssubscribe')),
  numberOf(bytes('monitor')),
  numberOf(bytes('sync')),
  numberOf(bytes('psync')),
];

function numberOf(name: Slice): i32 {
  return NAMES.find(name.ptr, name.length);
}

class RedisCounts extends Counts {
  constructor(private readonly label: string) {
    super(NAMES);
  }

  make(command: string): CommandCounts {
    const name = 'envoy_redis_command_' + command;
    return commandCounts(
      counter(name + '_total' + this.label),
      counter(name + '_success' + this.label),
      counter(name + '_error' + this.label),
      histogram(name + '_latency' + this.label),
    );
  }
}

class Redis extends NetworkFilter {
  counts: RedisCounts | null = null;
  requests: Counter = changetype<Counter>(0);
  malformed: Counter = changetype<Counter>(0);

  /** `prefix`: what its figures are told apart by, as it stands in a label. */
  onConfigure(prefix: Slice): bool {
    const label = '{envoy_redis_prefix="' + prefix.toString() + '"}';
    this.requests = counter('envoy_redis_downstream_rq_total' + label);
    this.malformed = counter('envoy_redis_downstream_cx_protocol_error' + label);
    this.requests.define();
    this.malformed.define();
    const counts = new RedisCounts(label);
    counts.begin();
    this.counts = counts;
    return true;
  }

  forConnection(): NetworkFilter {
    return new RedisConnection(this);
  }
}

class RedisConnection extends NetworkFilter {
  private readonly requests: Requests = new Requests(NAMES);
  private readonly replies: Replies = new Replies();
  private readonly pending: Pending = new Pending();
  /** Replies are those of commands, in order. */
  private paired: bool = true;
  private readable: bool = true;

  constructor(private readonly service: Redis) {
    super();
  }

  onDownstreamData(data: Body): Action {
    if (!this.readable || data.size == 0) return Action.Continue;
    const requests = this.requests;
    requests.feed(data.read());
    const micros = elapsed() / 1000;
    let count: i64 = 0;
    let command = requests.next();
    for (; command >= 0; command = requests.next()) {
      count++;
      this.counts.of(command).total.add();
      if (this.paired) this.expect(command, micros);
    }
    if (count > 0) this.service.requests.add(count);
    if (command == BAD) this.giveUp();
    return Action.Continue;
  }

  onUpstreamData(data: Body): Action {
    if (!this.readable || data.size == 0 || (!this.paired && this.pending.length == 0)) return Action.Continue;
    const replies = this.replies;
    const pending = this.pending;
    replies.feed(data.read());
    const micros = elapsed() / 1000;
    let kind = replies.next();
    for (; kind >= 0; kind = replies.next()) {
      if (kind == PUSH || pending.length == 0) continue;
      const counts = this.counts.of(pending.command);
      const success = counts.success;
      if (kind == ERROR) counts.error.add();
      else if (success != null) success.add();
      counts.latency.record(micros - pending.micros);
      pending.shift();
      // What follows is no reply.
      if (pending.length == 0 && !this.paired) return Action.Continue;
    }
    if (kind == BAD) this.giveUp();
    return Action.Continue;
  }

  onLog(): void {
    this.pending.clear();
  }

  private get counts(): RedisCounts {
    return this.service.counts!;
  }

  private expect(command: i32, micros: u64): void {
    const unpaired = UNPAIRED.includes(command) || (command == CLIENT && this.requests.followedBy(REPLY));
    if (unpaired || !this.pending.push(command, micros)) this.paired = false;
  }

  private giveUp(): void {
    this.readable = false;
    this.pending.clear();
    this.service.malformed.add();
  }
}

register((): Plugin => new Redis());
