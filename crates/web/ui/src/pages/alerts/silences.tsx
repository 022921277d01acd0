// Silences: those that are at work or will be, and a form for another one that shows what it would take.
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { type FormEvent, useDeferredValue, useState } from 'react';

import { useMatching, useSilencing } from '../../api/alerts';
import type { GettableSilence } from '../../api/types';
import form from '../../components/form.module.css';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import table from '../../components/table.module.css';
import { useTexts } from '../../i18n';
import { formatMatchers, type Matcher, parseMatchers } from '../../lib/matchers';
import { visible } from '../../lib/text';
import { Labels } from './labels';
import styles from './silences.module.css';

const HOURS = [1, 4, 8, 24, 72, 168];

export function Silences({ silences }: { silences: GettableSilence[] }) {
  const { t, format } = useTexts();
  const { expire } = useSilencing();
  return (
    <>
      <NewSilence />
      <Panel id="silences" title={t('alerts.parts.silences')}>
        {silences.length === 0 ? <Empty>{t('alerts.noSilences')}</Empty> : (
          <div className={styles.scroll} tabIndex={0} role="group" aria-label={t('alerts.parts.silences')}>
            <table className={table.plain}>
              <thead>
                <tr>
                  <th scope="col">{t('alerts.state')}</th>
                  <th scope="col">{t('alerts.matchers')}</th>
                  <th scope="col">{t('alerts.author')}</th>
                  <th scope="col">{t('alerts.until')}</th>
                  <th scope="col">{t('alerts.comment')}</th>
                  <th scope="col"><span className={styles.hidden}>{t('alerts.expire')}</span></th>
                </tr>
              </thead>
              <tbody>
                {silences.map(({ id, status, matchers, createdBy, endsAt, comment }) => (
                  <tr key={id}>
                    <td className={styles.state} data-state={status.state}>{t(`alerts.silenceStates.${status.state}`)}</td>
                    <td><code className={styles.matchers}>{visible(formatMatchers(matchers))}</code></td>
                    <td><bdi>{visible(createdBy)}</bdi></td>
                    <td>{format.timestamp(new Date(endsAt))}</td>
                    <td className={styles.comment}><bdi>{visible(comment)}</bdi></td>
                    <td>
                      {status.state !== 'expired' && (
                        <Button
                          size="compact-xs" variant="default" disabled={expire.isPending} onClick={() => expire.mutate(id)}
                          aria-label={`${t('alerts.expire')}: ${formatMatchers(matchers)}`}
                        >
                          {t('alerts.expire')}
                        </Button>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {expire.error !== null && <p className={form.error} role="alert">{expire.error.message}</p>}
      </Panel>
    </>
  );
}

function NewSilence() {
  const { t } = useTexts();
  const { query, change } = usePlace();
  const { create } = useSilencing();
  const [text, setText] = useState(query.get('silence') ?? '');
  const [hours, setHours] = useState(4);
  const [author, setAuthor] = useState('');
  const [comment, setComment] = useState('');
  const matchers = parseMatchers(useDeferredValue(text));
  const isReady = matchers !== null && matchers.length > 0 && author.trim() !== '' && comment.trim() !== '';
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (!isReady) return;
    const now = Date.now();
    const silence = {
      matchers, createdBy: author.trim(), comment: comment.trim(),
      startsAt: new Date(now).toISOString(), endsAt: new Date(now + hours * 3_600_000).toISOString(),
    };
    create.mutate(silence, {
      onSuccess: () => {
        setText('');
        setComment('');
        change({ silence: null });
      },
    });
  };
  return (
    <Panel id="new-silence" title={t('alerts.newSilence')} help={t('alerts.newSilenceHelp')} className={styles.new}>
      <form className={`${form.form} ${styles.form}`} onSubmit={send}>
        <TextInput
          size="xs" className={styles.wide} label={t('alerts.matchers')} value={text} placeholder={'alertname="A", route=~"chat|echo"'}
          onChange={({ currentTarget }) => setText(currentTarget.value)} error={matchers === null ? t('alerts.badMatchers', { example: 'name="value"' }) : undefined}
        />
        <NativeSelect
          size="xs" label={t('alerts.duration')} value={String(hours)} onChange={({ currentTarget }) => setHours(Number(currentTarget.value))}
          data={HOURS.map((value) => ({ value: String(value), label: value < 24 ? t('alerts.hours', { count: value }) : t('alerts.days', { count: value / 24 }) }))}
        />
        <TextInput size="xs" label={t('alerts.author')} value={author} maxLength={100} onChange={({ currentTarget }) => setAuthor(currentTarget.value)} />
        <TextInput size="xs" className={styles.wide} label={t('alerts.comment')} value={comment} maxLength={500} onChange={({ currentTarget }) => setComment(currentTarget.value)} />
        <Button size="xs" type="submit" disabled={!isReady} loading={create.isPending} className={styles.submit}>{t('alerts.create')}</Button>
      </form>
      {create.error !== null && <p className={form.error} role="alert">{create.error.message}</p>}
      {matchers !== null && matchers.length > 0 && <Preview matchers={matchers} />}
    </Panel>
  );
}

/** What the silence would take now. */
function Preview({ matchers }: { matchers: Matcher[] }) {
  const { t, format } = useTexts();
  const { data, error } = useMatching(matchers);
  if (error !== null) return <p className={form.error} role="alert">{error.message}</p>;
  if (data === undefined) return null;
  return (
    <div className={styles.preview} role="status">
      <p>{data.length === 0 ? t('alerts.takesNone') : t('alerts.takes', { count: format.count(data.length) })}</p>
      <ul>
        {data.slice(0, 10).map(({ fingerprint, labels: { alertname = '', ...others } }) => (
          <li key={fingerprint}><strong><bdi>{visible(alertname)}</bdi></strong> <Labels labels={others} /></li>
        ))}
      </ul>
    </div>
  );
}
