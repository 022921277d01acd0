// Texts of what few records have.
import { textsBeside } from '../../i18n';

const en = {
  reconnected: 'Reconnected after',
  reconnectedResumed: '{{time}}, with Last-Event-ID',
  pings: 'Pings',
  pingInterval: 'Interval',
  pingMissed: 'Unanswered',
  pingLast: 'Last round trip',
  pingSlowest: 'Slowest round trip',
  eventStream: 'Event stream',
  coding: 'Content-Encoding',
  perRead: 'Events per read',
  perReadValue: 'mean {{mean}}, at most {{max}}',
  reads: 'Reads',
  flushedReads: 'Reads that ended with a flush',
  longestSilence: 'Longest silence',
  comments: 'Comments',
  ids: 'Events with an id',
  skipped: 'Events missed since Last-Event-ID',
  skippedHelp: 'By the numbers of the ids: 0 when the stream goes on where it was cut off, less when events came again.',
};

const zh: typeof en = {
  reconnected: '重连间隔',
  reconnectedResumed: '{{time}}，带有 Last-Event-ID',
  pings: 'Ping',
  pingInterval: '间隔',
  pingMissed: '未获应答',
  pingLast: '最近一次往返',
  pingSlowest: '最慢一次往返',
  eventStream: '事件流',
  coding: 'Content-Encoding',
  perRead: '每次读取的事件数',
  perReadValue: '平均 {{mean}}，最多 {{max}}',
  reads: '读取次数',
  flushedReads: '以刷新结束的读取',
  longestSilence: '最长静默',
  comments: '注释',
  ids: '带 id 的事件',
  skipped: '自 Last-Event-ID 起错过的事件',
  skippedHelp: '按 id 的编号推算：从中断处继续时为 0，事件重复到达时小于 0。',
};

export const useRecordTexts = textsBeside('record', { en, 'zh-CN': zh });
