// What an answer of the API looks like before it comes, when it does not come, and when it is old.
import { Skeleton } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useEffect, useMemo, useState } from 'react';

import { ApiFailure } from '../api/request';
import { useTexts } from '../i18n';
import styles from './answer.module.css';
import { Notice, useTrouble } from './notices';
import { Empty } from './panel';

interface Props<T> {
  of: UseQueryResult<T>;
  /** Height of what is coming, pixels. */
  height?: number;
  /** It was asked for by itself: what is wrong with it is told here, not by the page. */
  isOwn?: boolean;
  children: (data: T) => ReactNode;
}

/** What may be over soon is asked for again after this time. */
const RETRY_SECONDS = 5;

const mayPass = (error: Error | null): boolean => error instanceof ApiFailure && (error.status === 0 || error.status >= 500);

export function Answer<T>({ of, height = 160, isOwn = false, children }: Props<T>) {
  const { t } = useTexts();
  const { data, dataUpdatedAt, errorUpdateCount, isFetching, refetch } = of;
  const isMissing = data === undefined;
  // A new attempt forgets the error; what is told of it stays until there is an answer.
  const [lastError, setLastError] = useState(of.error);
  if (of.error !== null && of.error !== lastError) setLastError(of.error);
  const error = of.error ?? (isMissing && errorUpdateCount > 0 ? lastError : null);
  const trouble = useMemo(() => (error === null ? null : {
    error, heldSince: isMissing ? null : dataUpdatedAt, isFetching, retry: () => void refetch(),
  }), [error, isMissing, dataUpdatedAt, isFetching, refetch]);
  useTrouble(isOwn ? null : trouble);
  const isRetried = isMissing && !isOwn && mayPass(error);
  useEffect(() => {
    if (!isRetried || isFetching) return undefined;
    const timer = setTimeout(() => void refetch(), RETRY_SECONDS * 1000);
    return () => clearTimeout(timer);
  }, [isRetried, isFetching, refetch]);
  if (isMissing && error === null) {
    return <div className={styles.loading} aria-busy="true"><Skeleton height={height} radius={8} aria-label={t('app.loading')} /></div>;
  }
  return (
    <>
      {isOwn && trouble !== null && <Notice troubles={[trouble]} />}
      {isMissing ? !isOwn && (
        <div className={styles.missing} style={{ minHeight: height }}>
          <Empty><span>{t('answer.missing')}{isRetried && <><br />{t('failure.retrying', { seconds: RETRY_SECONDS })}</>}</span></Empty>
        </div>
      ) : children(data)}
    </>
  );
}
