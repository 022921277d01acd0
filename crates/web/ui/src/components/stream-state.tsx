// Says how old the numbers are, and why they are old.
import { useEffect, useState } from 'react';

import type { Feed } from '../api/overview';
import { useTexts } from '../i18n';
import { freshness, type Freshness, POLL_INTERVAL_MS } from '../lib/freshness';
import { WarnIcon } from './icons';
import { Hint } from './info';
import styles from './stream-state.module.css';

export interface Age {
  ageSeconds: number;
  freshness: Freshness;
}

/** The age of the feed's numbers, looked at once a second. */
export function useAge({ since, mode }: Feed): Age {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const ageMs = Math.max(now - since, 0);
  return { ageSeconds: Math.floor(ageMs / 1000), freshness: freshness(ageMs, mode === 'polling') };
}

function useWords(feed: Feed, age: Age): { state: string; cause: string } {
  const { t, format } = useTexts();
  const since = format.wholeDuration(age.ageSeconds);
  const message = feed.failure?.message ?? '';
  const cause = feed.cause === null
    ? t(age.freshness === 'fresh' ? 'stream.liveHelp' : 'stream.cause.unknown')
    : t(`stream.cause.${feed.cause}`, { message });
  if (age.freshness === 'lost') return { state: t('stream.lost', { age: since }), cause };
  if (age.freshness === 'late') return { state: t('stream.late', { age: since }), cause };
  if (feed.mode === 'polling') return { state: t('stream.polling', { seconds: POLL_INTERVAL_MS / 1000 }), cause };
  return { state: t(feed.mode === 'stream' ? 'stream.live' : `stream.${feed.mode}`), cause };
}

/** An error answer is a warning at once, however fresh the numbers are. */
function toneOf(feed: Feed, { freshness }: Age): Freshness | Feed['mode'] {
  if (freshness !== 'fresh') return freshness;
  if (feed.failure !== null) return 'late';
  return feed.mode === 'stream' ? 'fresh' : feed.mode;
}

/** In the header: one word. */
export function StreamState({ feed, age }: { feed: Feed; age: Age }) {
  const { t } = useTexts();
  const { state, cause } = useWords(feed, age);
  const tone = toneOf(feed, age);
  return (
    <Hint text={cause}>
      <span className={styles.pill} data-tone={tone} tabIndex={0} role="note" aria-label={`${t('stream.label')}: ${state}. ${cause}`}>
        <span className={styles.dot} aria-hidden="true" />
        {state}
      </span>
    </Hint>
  );
}

/** Below the header: the cause, as long as there is something to explain. */
export function StreamNotice({ feed, age }: { feed: Feed; age: Age }) {
  const { t, format } = useTexts();
  const { state, cause } = useWords(feed, age);
  if (age.freshness === 'fresh' && feed.mode !== 'polling') return null;
  const held = feed.overview === null
    ? t('stream.noneTitle')
    : t('stream.heldTitle', { time: format.clock(new Date(feed.overview.as_of)) });
  return (
    <div className={styles.notice} data-tone={toneOf(feed, age)} role={age.freshness === 'lost' ? 'alert' : 'status'}>
      <WarnIcon />
      <span>
        <strong>{t('stream.notice', { state })}</strong> {age.freshness === 'fresh' ? '' : `${held} `}{cause}
      </span>
    </div>
  );
}
