// Rules by group, each on one line that opens to all that is known of it.
import { TextInput } from '@mantine/core';
import { useDeferredValue, useState } from 'react';

import type { GroupView, RuleView } from '../../api/types';
import { Facts } from '../../components/facts';
import { Empty, Panel } from '../../components/panel';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import { Labels } from './labels';
import styles from './rules.module.css';

/** Go's zero time: not yet evaluated. */
const isNever = (at: string): boolean => at.startsWith('0001-');

export function Rules({ groups }: { groups: GroupView[] }) {
  const { t } = useTexts();
  const [text, setText] = useState('');
  const asked = useDeferredValue(text.trim().toLowerCase());
  const shown = groups
    .map((group) => ({ ...group, rules: group.rules.filter((rule) => fits(rule, group, asked)) }))
    .filter(({ rules }) => rules.length > 0);
  return (
    <>
      <TextInput
        size="xs" className={styles.filter} value={text} data-search placeholder={t('alerts.filterRules')} aria-label={t('alerts.filterRules')}
        onChange={({ currentTarget }) => setText(currentTarget.value)}
      />
      {shown.length === 0 && <Panel id="rules" title={t('alerts.parts.rules')}><Empty>{groups.length === 0 ? t('alerts.noRules') : t('alerts.noRuleFits')}</Empty></Panel>}
      {shown.map((group) => <Group key={`${group.file};${group.name}`} group={group} />)}
    </>
  );
}

const fits = ({ name, query, health }: RuleView, group: GroupView, asked: string): boolean =>
  asked === '' || [name, query, health, group.name].some((text) => text.toLowerCase().includes(asked));

function Group({ group: { name, file, rules, interval, limit, lastEvaluation, evaluationTime } }: { group: GroupView }) {
  const { t, format } = useTexts();
  const note = [
    visible(file),
    t('alerts.every', { time: format.duration(interval) }),
    ...(limit === 0 ? [] : [t('alerts.limit', { count: limit })]),
    isNever(lastEvaluation) ? t('alerts.never') : t('alerts.evaluated', { time: format.clock(new Date(lastEvaluation)), took: format.latencyText(evaluationTime) }),
  ].join(' · ');
  return (
    <Panel id={`group-${file}-${name}`} title={visible(name)} note={note} className={styles.group}>
      {rules.map((rule, index) => <Rule key={index} rule={rule} />)}
    </Panel>
  );
}

function Rule({ rule }: { rule: RuleView }) {
  const { t, format } = useTexts();
  const { name, query, health, lastError, evaluationTime, lastEvaluation } = rule;
  const [open, setOpen] = useState(false);
  const isAlert = rule.type === 'alerting';
  const state = isAlert ? rule.state : 'recording';
  const annotations = isAlert ? Object.entries(rule.annotations) : [];
  return (
    <details className={styles.rule} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <span className={styles.state} data-state={state}>{t(stateKey(state))}</span>
        <span className={styles.name} title={visible(name)}><bdi>{visible(name)}</bdi></span>
        <code className={styles.expr}>{visible(query.replace(/\s+/g, ' ').trim())}</code>
        <span className={styles.for}>{isAlert && (rule.duration > 0 || rule.keepFiringFor > 0) && <>{t('alerts.for')} {format.duration(rule.duration)}{rule.keepFiringFor > 0 && <> +{format.duration(rule.keepFiringFor)}</>}</>}</span>
        <span className={styles.took}>{format.latencyText(evaluationTime)}</span>
        <span className={styles.health} data-health={health}>{t(healthKey(health))}</span>
      </summary>
      {open && (
        <div className={styles.all}>
          {lastError !== undefined && <p className={styles.error} role="alert"><bdi>{visible(lastError)}</bdi></p>}
          <pre tabIndex={0}>{query.trim()}</pre>
          <Facts
            facts={[
              ...(isAlert ? [
                [t('alerts.forLong'), format.duration(rule.duration)],
                [t('alerts.keep'), format.duration(rule.keepFiringFor)],
                [t('alerts.alertsNow'), format.count(rule.alerts.length)],
              ] as [string, string][] : []),
              [t('alerts.labels'), <span className={styles.labels}><Labels labels={rule.labels ?? {}} /></span>],
              ...annotations.map(([key, value]): [string, React.ReactNode] => [visible(key), <bdi>{visible(value)}</bdi>]),
              [t('alerts.lastEvaluation'), isNever(lastEvaluation) ? t('alerts.never') : format.timestamp(new Date(lastEvaluation))],
            ]}
          />
        </div>
      )}
    </details>
  );
}

const STATES = ['firing', 'pending', 'inactive', 'recording'] as const;
const stateKey = (state: string) => `alerts.states.${STATES.find((known) => known === state) ?? 'unknown'}` as const;
const HEALTH = ['ok', 'err'] as const;
const healthKey = (health: string) => `alerts.health.${HEALTH.find((known) => known === health) ?? 'unknown'}` as const;
