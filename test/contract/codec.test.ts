import { http1 } from '../../core/http1/codec.ts';
import { http2 } from '../../core/http2/codec.ts';
import { toyCodec } from '../core/transport/toy/codec.ts';
import { codecContract } from './codec.ts';
import { codecStreamsContract } from './codec-streams.ts';

codecContract('HTTP/1', () => http1);
codecContract('HTTP/2', () => http2);
codecStreamsContract('HTTP/2', () => http2);
codecContract('the toy codec', () => toyCodec());
codecStreamsContract('the toy codec', () => toyCodec());
