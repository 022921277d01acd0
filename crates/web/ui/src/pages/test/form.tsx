// What is to be opened. Its fields are in the address, so that a link holds them; nothing is opened by a link alone.
import { Button, NativeSelect, SegmentedControl, TextInput } from '@mantine/core';
import type { FormEvent } from 'react';

import { useTry } from '../../api/tryouts';
import type { TryoutList, TryoutRoute, TryoutView } from '../../api/types';
import form from '../../components/form.module.css';
import { Empty } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import styles from './page.module.css';
import type { Talk } from './talk';
import { useTestTexts } from './texts';

interface Props {
  list: TryoutList;
  failure: string | null;
  /** What is open now. */
  talk: Talk | null;
  onBegin: (tryout: TryoutView, subprotocols: string, names: string) => void;
  onFail: (message: string | null) => void;
}

export const listOf = (text: string): string[] => text.split(',').map((part) => part.trim()).filter((part) => part !== '');

/** A host that the route takes: its own, with a name in place of a star; this page's when it takes any. */
export const hostFor = (route: TryoutRoute): string => route.host?.replace(/^\*/, 'www') ?? window.location.hostname;

export function Form({ list: { routes, open, limit, seconds }, failure, talk, onBegin, onFail }: Props) {
  const { format } = useTexts();
  const own = useTestTexts();
  const { query, change } = usePlace();
  const { mutate, isPending, error } = useTry();
  const route = routes.find(({ name }) => name === query.get('route')) ?? routes[0];
  if (route === undefined) return <Empty>{own('noRoutes')}</Empty>;
  const isSocket = query.get('protocol') !== 'sse';
  const host = query.get('host') ?? hostFor(route);
  const path = query.get('path') ?? route.path ?? '/';
  const origin = query.get('origin') ?? (isSocket ? `${window.location.protocol}//${host}` : '');
  const subprotocols = query.get('subprotocols') ?? '';
  const names = query.get('names') ?? '';
  const connect = (event: FormEvent) => {
    event.preventDefault();
    onFail(null);
    const asked = { protocol: isSocket ? 'websocket' as const : 'sse' as const, host: host.trim(), path: path.trim() };
    mutate(origin.trim() === '' ? asked : { ...asked, origin: origin.trim() }, { onSuccess: (tryout) => onBegin(tryout, subprotocols, names) });
  };
  const wrong = failure ?? error?.message ?? null;
  const field = (key: 'host' | 'path' | 'origin' | 'subprotocols' | 'names', value: string, hint?: string) => (
    <TextInput
      size="xs" label={own(key)} value={value} maxLength={2048} title={hint} spellCheck={false} autoComplete="off"
      onChange={({ currentTarget }) => change({ [key]: currentTarget.value })}
    />
  );
  return (
    <>
      <form className={`${form.form} ${styles.form}`} onSubmit={connect} data-socket={isSocket || undefined}>
        <SegmentedControl
          size="xs" radius={5} aria-label={own('protocol')} value={isSocket ? 'websocket' : 'sse'} className={styles.protocol}
          data={[{ value: 'websocket', label: 'WebSocket' }, { value: 'sse', label: 'EventSource' }]}
          onChange={(value) => change({ protocol: value === 'sse' ? value : null, origin: null })}
        />
        <NativeSelect
          size="xs" label={own('route')} value={route.name} data={routes.map(({ name }) => ({ value: name, label: visible(name) }))}
          onChange={({ currentTarget }) => change({ route: currentTarget.value, host: null, path: null, origin: null })}
        />
        {field('host', host)}
        {field('path', path)}
        {field('origin', origin, own('originHint'))}
        {isSocket ? field('subprotocols', subprotocols, own('subprotocolsHint')) : field('names', names, own('namesHint'))}
        {talk === null
          ? <Button key="connect" size="xs" type="submit" loading={isPending}>{own('connect')}</Button>
          : <Button key="close" size="xs" type="button" variant="default" onClick={() => talk.close(1000, '')}>{own('disconnect')}</Button>}
      </form>
      {wrong !== null && <p className={form.error} role="alert"><bdi>{visible(wrong)}</bdi></p>}
      <p className={styles.seats}>{own('seats', { open: format.count(open), limit: format.count(limit), time: format.duration(seconds) })}</p>
    </>
  );
}
