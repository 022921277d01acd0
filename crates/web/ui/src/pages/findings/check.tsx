// A check that somebody asks for: what to examine, how far it is, and the report, its answer first.
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';

import { useExamine, useJob } from '../../api/jobs';
import type { JobView, ProbeStage, Step } from '../../api/types';
import { Answer } from '../../components/answer';
import form from '../../components/form.module.css';
import { Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import type { Aim } from '../../lib/aim';
import { visible } from '../../lib/text';
import styles from './check.module.css';
import { Grounds } from './grounds';
import { SeverityMark, Sure } from './mark';

export function Check() {
  const { t } = useTexts();
  const { query, change } = usePlace();
  const job = query.get('job');
  return (
    <Panel
      id="check" title={t('check.title')} help={t('check.help')} className={styles.panel}
      aside={job !== null && <Button size="compact-xs" variant="default" onClick={() => change({ job: null })}>{t('check.close')}</Button>}
    >
      <CheckForm onAsked={(id) => change({ job: id })} />
      {job !== null && <Report key={job} id={job} />}
    </Panel>
  );
}

/** What to examine; `filled` is what the fields begin with. */
export function CheckForm({ onAsked, filled }: { onAsked: (job: string) => void; filled?: Aim }) {
  const { t } = useTexts();
  const { mutate, isPending, error } = useExamine();
  const [target, setTarget] = useState(filled?.target ?? '');
  const [upstream, setUpstream] = useState(filled?.upstream ?? '');
  const [depth, setDepth] = useState('safe');
  const send = (event: FormEvent) => {
    event.preventDefault();
    const behind = upstream.trim();
    const body = { target: target.trim(), safe: depth === 'safe', ...(behind === '' ? {} : { upstream: behind }) };
    mutate(body, { onSuccess: ({ job }) => onAsked(job) });
  };
  return (
    <>
      <form className={`${form.form} ${styles.form}`} onSubmit={send}>
        <TextInput
          size="xs" label={t('check.target')} value={target} maxLength={2048} placeholder="wss://example.com/chat" title={t('check.targetHint')}
          onChange={({ currentTarget }) => setTarget(currentTarget.value)}
        />
        <TextInput
          size="xs" label={t('check.upstream')} value={upstream} maxLength={256} placeholder="10.0.0.7:3000"
          onChange={({ currentTarget }) => setUpstream(currentTarget.value)}
        />
        <NativeSelect
          size="xs" label={t('check.depth')} value={depth} onChange={({ currentTarget }) => setDepth(currentTarget.value)}
          data={(['safe', 'full'] as const).map((value) => ({ value, label: t(`check.depths.${value}`) }))}
        />
        <Button size="xs" type="submit" disabled={target.trim() === ''} loading={isPending}>{t('check.run')}</Button>
      </form>
      {error !== null && <p className={form.error} role="alert"><bdi>{error.message}</bdi></p>}
    </>
  );
}

/** A job, as far as it is; `suffix` tells its panels from others of the page. */
export function Report({ id, suffix = '' }: { id: string; suffix?: string }) {
  return <div className={styles.report}><Answer of={useJob(id)} height={120} isOwn>{(job) => <Told job={job} suffix={suffix} />}</Answer></div>;
}

function Told({ job, suffix }: { job: JobView; suffix: string }) {
  const { t, format } = useTexts();
  const { target, state, ahead, seconds, limit_seconds, stages, steps, findings, outcome, is_cut } = job;
  return (
    <>
      <div role="status">
        <p className={styles.answer} data-outcome={outcome ?? state}>
          {outcome !== null && t(`check.outcomes.${outcome}`)}
          {state === 'running' && t('check.running', { seconds: format.duration(Math.floor(seconds)), limit: format.duration(limit_seconds) })}
          {state === 'waiting' && t('check.waiting', { count: format.count(ahead) })}
          {state === 'failed' && t('check.failed')}
        </p>
      </div>
      <p className={styles.target}><bdi>{visible(target)}</bdi>{is_cut && <> · {t('check.cut')}</>}</p>
      {findings.map((finding, index) => (
        <section key={`${finding.id} ${finding.where}`} className={styles.finding}>
          <h3 className={styles.title}>
            <SeverityMark severity={finding.severity} /> <bdi>{visible(finding.title)}</bdi>{' '}
            <Sure level={finding.level} confidence={finding.confidence} />
          </h3>
          <Grounds finding={finding} suffix={`${suffix}-${index}`} />
        </section>
      ))}
      {stages.length > 0 && <Stages stages={stages} />}
      {steps.length > 0 && <Steps steps={steps} />}
    </>
  );
}

function Stages({ stages }: { stages: ProbeStage[] }) {
  const { t, format } = useTexts();
  return (
    <>
      <h3 className={styles.part}>{t('check.stages')}</h3>
      <ol className={styles.steps}>
        {stages.map(({ name, seconds, fault }) => (
          <li key={name} data-failed={fault !== null || undefined}>
            {t(`probes.stage.${name}`)} <span className={styles.time}>{format.duration(seconds)}</span>
            {fault !== null && <> {t('check.stageFailed', { fault: t(`probes.fault.${fault}`) })}</>}
          </li>
        ))}
      </ol>
    </>
  );
}

function Steps({ steps }: { steps: Step[] }) {
  const { t, format } = useTexts();
  return (
    <>
      <h3 className={styles.part}>{t('check.checks')}</h3>
      <ol className={styles.steps}>
        {steps.map(({ check, began_seconds, until_seconds, is_running }) => (
          <li key={check} data-running={is_running || undefined}>
            {t(`check.check.${check}`)} <span className={styles.time}>{format.duration(until_seconds - began_seconds)}</span>
          </li>
        ))}
      </ol>
    </>
  );
}
