// What an answer of the API looks like before it comes, when it does not come, and when it is old.
import { Button, Skeleton } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { ApiFailure } from '../api/request';
import { useTexts } from '../i18n';
import styles from './answer.module.css';
import { WarnIcon } from './icons';

interface Props<T> {
  of: UseQueryResult<T>;
  /** Height of what is coming, pixels. */
  height?: number;
  children: (data: T) => ReactNode;
}

export function Answer<T>({ of, height = 160, children }: Props<T>) {
  const { t, format } = useTexts();
  const { data, error, dataUpdatedAt, isFetching, refetch } = of;
  if (data === undefined && error === null) {
    return <div className={styles.loading} aria-busy="true"><Skeleton height={height} radius={8} aria-label={t('app.loading')} /></div>;
  }
  const hint = error instanceof ApiFailure ? error.hint : null;
  return (
    <>
      {error !== null && (
        <div className={styles.failure} role="alert" data-held={data !== undefined || undefined}>
          <WarnIcon />
          <div className={styles.words}>
            <strong>{data === undefined ? t('answer.failed') : t('answer.old', { time: format.clock(new Date(dataUpdatedAt)) })}</strong>
            {' '}<bdi>{error.message}</bdi>{hint !== null && <>{' '}<bdi>{hint}</bdi></>}
          </div>
          <Button size="compact-xs" variant="default" loading={isFetching} onClick={() => void refetch()}>{t('app.retry')}</Button>
        </div>
      )}
      {data !== undefined && children(data)}
    </>
  );
}
