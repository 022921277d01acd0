// What could not be loaded, told once for the whole page, however many of its parts are concerned.
import { Button } from '@mantine/core';
import { createContext, type ReactNode, useContext, useEffect, useId, useMemo, useState } from 'react';

import { ApiFailure } from '../api/request';
import { useTexts } from '../i18n';
import styles from './answer.module.css';
import { WarnIcon } from './icons';

export interface Trouble {
  error: Error;
  /** When what is shown was loaded, ms since 1970; null when nothing is. */
  heldSince: number | null;
  isFetching: boolean;
  retry: () => void;
}

type Tell = (part: string, trouble: Trouble | null) => void;

const NoticesContext = createContext<Tell | null>(null);

/** Tells the page of trouble in one of its parts, or of its end. */
export function useTrouble(trouble: Trouble | null): void {
  const tell = useContext(NoticesContext);
  const part = useId();
  const { error, heldSince, isFetching, retry } = trouble ?? { error: null, heldSince: null, isFetching: false, retry: null };
  useEffect(() => {
    tell?.(part, error === null || retry === null ? null : { error, heldSince, isFetching, retry });
  }, [tell, part, error, heldSince, isFetching, retry]);
  useEffect(() => () => tell?.(part, null), [tell, part]);
}

export function Notices({ children }: { children: ReactNode }) {
  const [troubles, setTroubles] = useState<ReadonlyMap<string, Trouble>>(new Map());
  const tell = useMemo((): Tell => (part, trouble) => setTroubles((known) => {
    if (trouble === null && !known.has(part)) return known;
    const next = new Map(known);
    if (trouble === null) next.delete(part);
    else next.set(part, trouble);
    return next;
  }), []);
  return (
    <NoticesContext value={tell}>
      {troubles.size > 0 && <Notice troubles={[...troubles.values()]} />}
      {children}
    </NoticesContext>
  );
}

/** One notice for all troubles: each different message once. */
export function Notice({ troubles }: { troubles: Trouble[] }) {
  const { t, format } = useTexts();
  const held = troubles.map(({ heldSince }) => heldSince);
  const oldest = held.includes(null) ? null : Math.min(...held.filter((since) => since !== null));
  const messages = [...new Set(troubles.map(({ error }) => [error.message, error instanceof ApiFailure ? error.hint : null].filter((text) => text !== null).join('; ')))];
  return (
    <div className={styles.failure} role="alert" data-held={oldest !== null || undefined}>
      <WarnIcon />
      <div className={styles.words}>
        <strong>{oldest === null ? t('answer.failed') : t('answer.old', { time: format.clock(new Date(oldest)) })}</strong>
        {messages.slice(0, MESSAGES).map((message) => <span key={message}>{' '}<bdi>{message}</bdi></span>)}
        {troubles.length > 1 && <> · {t('answer.parts', { count: format.count(troubles.length) })}</>}
      </div>
      <Button size="compact-xs" variant="default" loading={troubles.some(({ isFetching }) => isFetching)} onClick={() => troubles.forEach(({ retry }) => retry())}>
        {t('app.retry')}
      </Button>
    </div>
  );
}

/** In place of a part that cannot be drawn. */
export function Fault({ error }: { error: Error }) {
  const { t } = useTexts();
  return (
    <div className={styles.failure} role="alert">
      <WarnIcon />
      <div className={styles.words}><bdi>{error.message}</bdi></div>
      <Button size="compact-xs" variant="default" onClick={() => window.location.reload()}>{t('app.reload')}</Button>
    </div>
  );
}

/** Different messages that are told. */
const MESSAGES = 3;
