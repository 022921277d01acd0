// What is shown: the sign-in page, the lack of a gateway, or the page that the address names.
import { Button, Skeleton } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, Suspense, useEffect, useMemo, useState } from 'react';

import { useOverview } from './api/overview';
import { ApiFailure } from './api/request';
import { askToSignIn, isUnauthorized, useStatus } from './api/session';
import styles from './app.module.css';
import { Boundary } from './components/boundary';
import { FeedContext } from './components/feed';
import { Find } from './components/find';
import { Header } from './components/header';
import { Keys } from './components/keys';
import { Brand, Navigation } from './components/navigation';
import { Notices } from './components/notices';
import { usePlace } from './components/place';
import { useShortcuts } from './components/shortcuts';
import { StreamNotice, StreamState, useAge } from './components/stream-state';
import { useTexts } from './i18n';
import { windowOf } from './lib/location';
import { LoginPage } from './pages/login/page';
import { type Page, pages } from './pages/pages';

const RETRY_SECONDS = 5;

export function App() {
  const status = useStatus();
  const { refetch, isError } = status;
  useEffect(() => {
    if (!isError) return undefined;
    const timer = setInterval(() => void refetch(), RETRY_SECONDS * 1000);
    return () => clearInterval(timer);
  }, [isError, refetch]);
  if (status.data?.auth.required === true && !status.data.auth.authenticated) return <Frame><LoginPage /></Frame>;
  if (status.isPending) return <Frame><Skeleton height={120} radius={8} /></Frame>;
  if (status.data === undefined) return <Frame><Unreachable error={status.error} onRetry={() => void refetch()} /></Frame>;
  return <Pages />;
}

function Pages() {
  const { t } = useTexts();
  const { path, page: pagePath, detail, query } = usePlace();
  const client = useQueryClient();
  const [keysShown, setKeysShown] = useState(false);
  useShortcuts(() => setKeysShown(true));
  const feed = useOverview(windowOf(query), true);
  const age = useAge(feed);
  const refused = isUnauthorized(feed.failure);
  useEffect(() => {
    if (refused) askToSignIn(client);
  }, [refused, client]);
  const value = useMemo(() => ({ feed, age }), [feed, age.ageSeconds, age.freshness]);
  const page = pages.find((candidate) => candidate.path === pagePath);
  useEffect(() => {
    document.title = page === undefined ? 'Heartline' : `${t(`page.${page.key}`)} · Heartline`;
  }, [page, t]);
  return (
    <FeedContext value={value}>
      <a className={styles.skip} href="#main" onClick={skip}>{t('app.skip')}</a>
      <div className={styles.frame}>
        <nav className={styles.side} aria-label={t('app.navigation')}><Brand /><Navigation /></nav>
        <div className={styles.page}>
          <div className={styles.top}>
            <Header search={path !== '/connections' && <Find />} state={<StreamState feed={feed} age={age} />} onKeys={() => setKeysShown(true)} />
            <StreamNotice feed={feed} age={age} />
          </div>
          <main id="main" tabIndex={-1} className={styles.main} data-freshness={age.freshness} data-fills={(detail === null && page?.fills) || undefined}>
            <Boundary key={path} fallback={(error) => <Crashed error={error} />}>
              <Notices>
                <Suspense fallback={<Skeleton height={240} radius={8} />}><Content page={page} detail={detail} /></Suspense>
              </Notices>
            </Boundary>
          </main>
        </div>
      </div>
      <Keys opened={keysShown} onClose={() => setKeysShown(false)} />
    </FeedContext>
  );
}

function Content({ page, detail }: { page: Page | undefined; detail: string | null }) {
  if (page !== undefined && detail === null) return <page.component />;
  if (page?.detail !== undefined && detail !== null) return <page.detail id={detail} />;
  return <Missing />;
}

function skip(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Frame({ children }: { children: ReactNode }) {
  return (
    <>
      <div className={styles.top}><Header /></div>
      <main id="main" tabIndex={-1} className={styles.main}>{children}</main>
    </>
  );
}

function Message({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={styles.message} role="alert">
      <h1>{title}</h1>
      {children}
    </div>
  );
}

function Missing() {
  const { t } = useTexts();
  return <Message title={t('app.notFound')}><a href="#/">{t('app.toOverview')}</a></Message>;
}

function Crashed({ error }: { error: Error }) {
  const { t } = useTexts();
  return (
    <Message title={t('app.crashed')}>
      <p><bdi>{error.message}</bdi></p>
      <Button onClick={() => window.location.reload()}>{t('app.reload')}</Button>
    </Message>
  );
}

function Unreachable({ error, onRetry }: { error: Error; onRetry: () => void }) {
  const { t } = useTexts();
  const hint = error instanceof ApiFailure ? error.hint : null;
  return (
    <Message title={t('failure.title')}>
      <p><bdi>{error.message}</bdi></p>
      {hint !== null && <p><bdi>{hint}</bdi></p>}
      <p>{t('failure.retrying', { seconds: RETRY_SECONDS })}</p>
      <Button onClick={onRetry}>{t('app.retry')}</Button>
    </Message>
  );
}
